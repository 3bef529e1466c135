"""The curves of a finished run as files under `plots/`."""

from aurl_jax.core import files
from aurl_jax.core.writers import read_jsonl
from aurl_jax.experiment import curves
from aurl_jax.experiment.workdir import Workdir


def write(folder: Workdir) -> list[str]:
  """Writes an SVG a chart, such as `plots/learning_rate.svg`.

  Returns:
    Names of the files.
  """
  records, written = read_jsonl(folder.metrics), []
  for chart in curves.CHARTS:
    drawn = curves.lines(records, chart)
    if drawn:
      name = f'{chart.title.lower().replace(" ", "_")}.svg'
      title = f'{chart.title} ({chart.unit})' if chart.unit else chart.title
      files.write_atomic(
        folder.root / 'plots' / name, curves.draw(drawn, title)
      )
      written.append(name)
  return written
