"""The tool that sends broken files, against a server that writes by rule."""

import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from aurl_jax.music import midi
from tests.serving import scribe, stage


@pytest.fixture
def tool(load_tool):
  return load_tool('attack_server')


def test_files_are_sent_whole_and_mutated(tool, tmp_path, monkeypatch):
  (tmp_path / 'a.mid').write_bytes(midi.write(scribe.bars(1)))
  (tmp_path / 'b.mid').write_bytes(b'nothing')
  monkeypatch.setenv('AURL_TOKEN', stage.TOKEN)
  with stage.serving(scribe.Scribe()) as client:
    url = f'http://127.0.0.1:{client.port}'
    told = tool.attack(url, tmp_path, 20, 1)
    assert told['cases'] == sum(told['statuses'].values()) == 20
    assert set(told['statuses']) == {'200', '422'}
    assert told['faults'] == 0
    assert told['p50_ms'] <= told['p99_ms'] <= told['most_ms']
    monkeypatch.setenv('AURL_TOKEN', 'none')
    assert tool.attack(url, tmp_path, 2, 1)['statuses'] == {'401': 2}
  assert tool.attack(url, tmp_path, 2, 1)['faults'] == 2, 'no server, no answer'
