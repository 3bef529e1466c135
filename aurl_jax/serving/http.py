"""The engine behind HTTP: routes of FastAPI, and guards in front of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent import futures
from typing import Any, TypeVar

import fastapi
from fastapi.responses import (
  JSONResponse,
  PlainTextResponse,
  Response,
  StreamingResponse,
)

import aurl_jax
from aurl_jax.core.errors import AurlError
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.piece import Piece
from aurl_jax.serving import (
  answers,
  facts,
  fonts,
  guards,
  hearing,
  pages,
  reading,
  schema,
  turning,
)
from aurl_jax.serving.aside import Aside
from aurl_jax.serving.engine import Engine
from aurl_jax.serving.errors import fault
from aurl_jax.serving.jobs import Jobs
from aurl_jax.serving.settings import Settings
from aurl_jax.serving.ticket import Steps, Ticket

_THREADS = 4
"""In which requests are read and answers made; the loop only waits."""
_MIDI, _BYTES = 'audio/midi', 'application/octet-stream'
_BEAT = 15.0
"""Seconds after which a silent stream says that it is alive."""

Result = TypeVar('Result')


def app(
  engine: Engine, settings: Settings, ready: Callable[[], bool] = lambda: True
) -> guards.App:
  """Returns the application.

  Args:
    engine: What writes.
    settings: Who may ask, and how much.
    ready: Tells whether programs are compiled.
  """
  api = open_app(engine, settings, ready)
  return guards.wrap(api, settings, engine.metrics)


def open_app(
  engine: Engine, settings: Settings, ready: Callable[[], bool] = lambda: True
) -> fastapi.FastAPI:
  """Returns all routes, without the guards before them; as `app`."""
  api = fastapi.FastAPI(
    title='aurl_jax',
    version=aurl_jax.__version__,
    summary='Symbolic music, written while you wait',
    docs_url=None,
    redoc_url=None,
    redirect_slashes=False,
  )
  Routes(engine, settings, ready).add(api)
  pages.add(api)
  return api


class Routes:
  """What the routes do."""

  def __init__(
    self, engine: Engine, settings: Settings, ready: Callable[[], bool]
  ) -> None:
    """Takes what `app` does."""
    self._engine, self._settings, self._ready = engine, settings, ready
    self._jobs = Jobs(settings.jobs, settings.job_seconds)
    self._pool = futures.ThreadPoolExecutor(_THREADS, 'aurl-http')
    self._studies, self._turns = Aside('studies'), Aside('turns')

  def add(self, api: fastapi.FastAPI) -> None:
    """Adds all routes to an application."""
    for path, kind in (
      ('generate', schema.GenerateBody),
      ('continue', schema.ContinueBody),
      ('infill', schema.InfillBody),
      ('interpolate', schema.InterpolateBody),
      ('vary', schema.VaryBody),
    ):
      api.add_api_route(
        f'/v1/{path}',
        self._writing(kind),
        methods=['POST'],
        name=path,
        summary=(kind.__doc__ or '').partition('\n')[0],
        openapi_extra=_takes(kind),
        responses=_ANSWERS,
      )
    asides: tuple[tuple[str, Any, type[schema.Body]], ...] = (
      ('analyze', self._analyze, schema.AnalyzeBody),
      ('turn', self._turn, schema.TurnBody),
    )
    for path, route, body in asides:
      api.add_api_route(
        f'/v1/{path}',
        route,
        methods=['POST'],
        name=path,
        openapi_extra=_takes(body),
      )
    api.add_api_route('/v1/model', self._model, methods=['GET'])
    api.add_api_route('/v1/font', self._font, methods=['GET'], responses=_FONT)
    api.add_api_route('/v1/jobs/{name}', self._job, methods=['GET'])
    api.add_api_route('/v1/jobs/{name}', self._drop, methods=['DELETE'])
    api.add_api_route('/healthz', self._health, methods=['GET'])
    api.add_api_route('/readyz', self._readiness, methods=['GET'])
    api.add_api_route(
      '/metrics',
      self._metrics,
      methods=['GET'],
      response_class=PlainTextResponse,
    )
    api.add_exception_handler(AurlError, _refused)
    api.add_exception_handler(Exception, _fault)
    api.add_exception_handler(404, _missing)
    api.add_exception_handler(405, _missing)
    api.add_exception_handler(400, _missing)

  async def _health(self) -> dict[str, str]:
    """Whether the process answers."""
    return {'status': 'ok'}

  async def _readiness(self) -> Response:
    """Whether requests are taken: not while programs compile, nor at an end."""
    ready = self._ready() and not self._engine.draining
    told = 'ready' if ready else 'draining' if self._ready() else 'compiling'
    return JSONResponse({'status': told}, 200 if ready else 503)

  async def _metrics(self) -> Response:
    """Numbers for Prometheus."""
    text = self._engine.metrics.text()
    return Response(text, media_type='text/plain; version=0.0.4')

  def _writing(self, kind: type[schema.Answering]) -> Callable[..., Any]:
    """Returns the route of a kind of body."""

    async def write(request: fastapi.Request) -> Response:
      asker = request.state.asker
      body, found = await reading.read(request, kind, self._settings)
      if body.job:
        self._jobs.room()
      listener = _Listener() if body.stream else None
      ticket = await self._run(self._submit, body, found, asker, listener)
      if body.job:
        job = self._jobs.add(ticket, asker)
        told = answers.job(job.name, ticket)
        place = {'location': f'/v1/jobs/{job.name}'}
        return JSONResponse(told, 202, place)
      if listener is not None:
        return StreamingResponse(
          self._events(ticket, listener), media_type='text/event-stream'
        )
      return await self._answer(request, ticket)

    return write

  def _submit(
    self,
    body: schema.Answering,
    found: dict[str, bytes],
    asker: str,
    listener: '_Listener | None',
  ) -> Ticket:
    """Reads a request, and hands it to the engine; in a thread."""
    told = schema.changes(body, self._settings, found)
    request = self._engine.composer.request(**told)
    if listener is not None and (request.apart or request.drafts > 1):
      raise RequestError(
        'music that is written as a whole cannot be streamed; ask without '
        'stream, or with job',
        code='stream',
      )
    if request.long and not body.job:
      raise RequestError(
        'a piece of a form takes long; ask with job, and fetch it later',
        code='job',
      )
    return self._engine.submit(
      request,
      client=asker,
      seconds=body.deadline,
      listen=None if listener is None else listener.steps,
    )

  async def _answer(self, request: fastapi.Request, ticket: Ticket) -> Response:
    """Waits for pieces, as long as whoever asked does."""
    gone = asyncio.ensure_future(reading.gone(request))
    done = _awaited(ticket)
    try:
      either: set[asyncio.Future[Any]] = {gone, done}
      await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
      gone.cancel()
      if not ticket.over:
        ticket.cancel('whoever asked has gone')
    pieces = await done
    if request.headers.get('accept') == _MIDI and len(pieces) == 1:
      midi = await self._run(pieces[0].midi)
      return Response(midi, media_type=_MIDI)
    return JSONResponse(await self._run(answers.pieces, pieces))

  async def _events(
    self, ticket: Ticket, listener: '_Listener'
  ) -> AsyncIterator[bytes]:
    """Tells steps as they come, then the pieces."""
    done = _awaited(ticket)
    done.add_done_callback(lambda _: listener.close())
    try:
      while (steps := await listener.next()) is not None:
        if isinstance(steps, Steps):
          yield answers.event('steps', answers.steps(steps))
        else:
          yield b': still here\n\n'
      error = done.exception()
      if error is None:
        told = await self._run(answers.pieces, done.result())
        yield answers.event('pieces', told)
      elif isinstance(error, AurlError):
        yield answers.event('error', answers.error(error))
    finally:
      ticket.cancel('whoever asked has gone')

  async def _analyze(self, request: fastapi.Request) -> Response:
    """What studies hear in music."""
    body, found = await reading.read(
      request, schema.AnalyzeBody, self._settings
    )
    music = found.get('music', body.music)
    hearing.check(body.studies)
    told = await self._studies.run(
      hearing.heard, music, body.studies, self._settings
    )
    return JSONResponse(told)

  async def _turn(self, request: fastapi.Request) -> Response:
    """Music with its latents moved."""
    body, found = await reading.read(request, schema.TurnBody, self._settings)
    asked = turning.Turn(dials=body.dials, toward=body.toward, seed=body.seed)
    music = await self._run(
      schema.notes, 'music', found.get('music', body.music), self._settings
    )
    piece = await self._turns.run(
      turning.turned, self._engine.composer, music, asked
    )
    return JSONResponse(await self._run(answers.pieces, [piece]))

  async def _model(self) -> Response:
    """What the model can be asked for."""
    composer = self._engine.composer
    return JSONResponse(await self._run(facts.of, composer, self._settings))

  async def _font(self) -> Response:
    """The sound font that the studio plays by."""
    size, blocks = await self._run(fonts.opened, self._settings.font)
    length = {'content-length': str(size)}
    return StreamingResponse(blocks, headers=length, media_type=_BYTES)

  async def _job(self, request: fastapi.Request, name: str) -> Response:
    """How a job stands, and its pieces."""
    job = self._jobs.find(name, request.state.asker)
    return JSONResponse(await self._run(answers.job, job.name, job.ticket))

  async def _drop(self, request: fastapi.Request, name: str) -> Response:
    """Takes a job back."""
    self._jobs.drop(name, request.state.asker)
    return Response(status_code=204)

  async def _run(self, work: Callable[..., Result], *arguments: Any) -> Result:
    """Returns what work gives, done in a thread."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(self._pool, work, *arguments)


def _awaited(ticket: Ticket) -> asyncio.Future[list[Piece]]:
  """Returns what gives a ticket's pieces, in the loop.

  Where whoever asked has gone nobody looks at its error, which is no fault.
  """
  done = asyncio.wrap_future(ticket.future)
  done.add_done_callback(lambda one: one.cancelled() or one.exception())
  return done


class _Listener:
  """Brings steps from the engine's thread into the loop."""

  def __init__(self) -> None:
    self._loop = asyncio.get_running_loop()
    self._steps: asyncio.Queue[Steps | None] = asyncio.Queue()

  def steps(self, told: Steps | None) -> None:
    """Takes steps, from any thread."""
    if not self._loop.is_closed():
      self._loop.call_soon_threadsafe(self._steps.put_nowait, told)

  def close(self) -> None:
    """Tells that no more will come."""
    self._steps.put_nowait(None)

  async def next(self) -> Steps | bool | None:
    """Returns the next steps; None at the end, False if none came for long."""
    try:
      return await asyncio.wait_for(self._steps.get(), _BEAT)
    except TimeoutError:
      return False


async def _refused(request: fastapi.Request, error: Exception) -> Response:
  """Answers with an error of ours."""
  del request
  assert isinstance(error, AurlError)
  after = getattr(error, 'retry_after', 0)
  headers = {'retry-after': str(after)} if after else {}
  code = answers.status(error)
  if code in (408, 413):
    headers['connection'] = 'close'
  return JSONResponse(answers.error(error), code, headers)


async def _fault(request: fastapi.Request, error: Exception) -> Response:
  """Answers where something of ours has failed; the server logs it."""
  del request
  return JSONResponse(answers.error(fault(error)), 500)


async def _missing(request: fastapi.Request, error: Exception) -> Response:
  """Answers where there is no route."""
  del request
  code = getattr(error, 'status_code', 404)
  told = {404: 'there is no such route', 405: 'this route has other methods'}
  text = told.get(code, 'this is no request that can be read')
  found = RequestError(text, code='route')
  headers = getattr(error, 'headers', None)
  return JSONResponse(answers.error(found), code, headers)


def _takes(kind: type[schema.Body]) -> dict[str, Any]:
  """Returns what OpenAPI tells of a route's body."""
  files = {name for name in schema.MUSIC if name in kind.model_fields}
  parts: dict[str, Any] = {
    name: {'type': 'string', 'format': 'binary'} for name in sorted(files)
  }
  parts['request'] = {'type': 'string', 'description': 'The rest, as JSON.'}
  return {
    'requestBody': {
      'required': True,
      'content': {
        'application/json': {
          'schema': schema.described(kind),
          'examples': {'plain': {'value': schema.EXAMPLES[kind]}},
        },
        'multipart/form-data': {
          'schema': {'type': 'object', 'properties': parts}
        },
      },
    }
  }


_FONT: dict[int | str, dict[str, Any]] = {
  200: {
    'description': 'The file.',
    'content': {_BYTES: {'schema': {'type': 'string', 'format': 'binary'}}},
  },
  404: {'description': 'The server has none.'},
  503: {'description': 'It has changed since the server started.'},
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
  200: {
    'description': 'The pieces.',
    'content': {
      'application/json': {
        'example': {
          'pieces': [
            {'midi': 'TVRoZAAAAAY...', 'seed': 0, 'report': {'notes': 87}}
          ]
        }
      },
      _MIDI: {'schema': {'type': 'string', 'format': 'binary'}},
      'text/event-stream': {'schema': {'type': 'string'}},
    },
  },
  202: {'description': 'A job, to be asked for later.'},
  413: {'description': 'The body is too large.'},
  415: {'description': 'The body is of another type, or compressed.'},
  422: {'description': 'The request cannot be met; the message says why.'},
  429: {'description': 'Too much waits; see Retry-After.'},
  503: {'description': 'The server ends, or the deadline has passed.'},
}
