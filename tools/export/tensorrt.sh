#!/bin/sh
# Builds TensorRT engines of an ONNX export, and times them, where trtexec is.
#
#   tools/export/tensorrt.sh chorale_onnx engines [ROWS] [ROOM]
#
# ROWS are the most rows at once (64), ROOM the most steps of the cache (640).
# Engines are of the GPU and the version that built them. Not run in this
# project's tests: no machine of theirs has TensorRT.
set -eu
export_=$1 out=$2 rows=${3:-64} room=${4:-640}
command -v trtexec >/dev/null || {
  echo 'trtexec is missing: it comes with TensorRT 10' >&2
  exit 1
}
mkdir -p "$out"

# shapes OF ROWS ROOM: the inputs of a graph for so many rows and steps.
shapes() {
  python3 - "$export_/manifest.json" "$@" <<'PY'
import json
import sys

told = json.load(open(sys.argv[1]))['model']
graph, rows, room = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
fields, width = len(told['vocabulary']), told['width']
if graph == 'decoder':
  cache = f"{rows}x{told['key_heads']}x{room}x{told['head_dim']}"
  names = {'ids': f'{rows}x{fields}', 'place': rows, 'cell': rows, 'start': rows}
  if told['lead']:
    names['following'] = f'{rows}x{fields}'
  for layer in range(told['layers']):
    names[f'past_key_{layer}'] = names[f'past_value_{layer}'] = cache
else:
  field = int(graph.split('_')[1])
  names = {'state': f'{rows}x{width}'}
  if field:
    names['partial'] = f'{rows}x{fields}'
  if field < told['lead']:
    names |= {'first': rows, 'last': f'{rows}x{fields}'}
wanted = set(told['inputs'][graph])
print(','.join(f'{k}:{v}' for k, v in names.items() if k in wanted))
PY
}

for path in "$export_"/*.onnx; do
  graph=$(basename "$path" .onnx)
  trtexec --onnx="$path" --saveEngine="$out/$graph.engine" --fp16 \
    --minShapes="$(shapes "$graph" 1 1)" \
    --optShapes="$(shapes "$graph" "$rows" "$room")" \
    --maxShapes="$(shapes "$graph" "$rows" "$room")" \
    --warmUp=200 --duration=3 >"$out/$graph.log" 2>&1 || {
    echo "$graph was not built; see $out/$graph.log" >&2
    exit 1
  }
  grep -E 'GPU Compute Time: .*median|Throughput' "$out/$graph.log" | tail -2
done
