// Questions to the server that this page is from, and to nobody else.
// The token is kept here alone: not in storage, not in the address.

let token = '';

// What the server answers where it gives nothing.
export class Refused extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
  }
}

export function keep(given) { token = given; }

async function send(route, body, signal) {
  const headers = { Authorization: `Bearer ${token}` };
  const options = { headers, signal, cache: 'no-store', redirect: 'error' };
  if (body !== undefined) {
    options.method = 'POST';
    options.body = JSON.stringify(body);
    headers['Content-Type'] = 'application/json';
  }
  return fetch(`../v1/${route}`, options);
}

function refusal(answer, found) {
  const wrong = found?.error ?? { code: 'answer', message: 'what came is no answer' };
  const later = answer.headers.get('Retry-After');
  if (later) wrong.message += ` (in ${later} s)`;
  return new Refused(answer.status, wrong);
}

// Returns what a route answers; with a body it is posted.
// Throws Refused, TypeError where no server answers, AbortError on a signal.
export async function ask(route, body, signal) {
  const answer = await send(route, body, signal);
  const found = await answer.json().catch(() => null);
  if (answer.ok && found) return found;
  throw refusal(answer, found);
}

// Returns what a route gives as bytes (ArrayBuffer); throws as `ask`.
export async function bytes(route) {
  const answer = await send(route);
  if (answer.ok) return answer.arrayBuffer();
  throw refusal(answer, await answer.json().catch(() => null));
}

// An error in words.
export function told(error) {
  if (error.name === 'AbortError') return 'Stopped.';
  if (error instanceof Refused) {
    return error.status === 401
      ? 'The server does not know this token; it prints one when it starts.'
      : `Not possible: ${error.message}.`;
  }
  if (error instanceof TypeError) {
    return 'The server does not answer. Nothing is lost: please try again.';
  }
  return error.message;
}

// Bytes as base64, and back.
export function packed(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

export function unpacked(text) {
  return Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
}
