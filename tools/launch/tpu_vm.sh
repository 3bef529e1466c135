#!/bin/bash
# Trains on all hosts of a Cloud TPU slice.
#
#     tools/launch/tpu_vm.sh NAME ZONE base /mnt/shared/run [flags of the run]
#
# The checkout with its environment (make venv, then the extra `tpu`) must lie
# in ~/aurl_jax on every host, and the workdir on a disk that all of them mount
# (Filestore, or a bucket through the GCS FUSE driver). jax finds the other hosts by itself.
set -euo pipefail

name=${1:?name of the TPU VM}
zone=${2:?its zone}
page=${3:?the page, such as base}
workdir=${4:?the workdir, which all hosts share}
shift 4

printf -v flags ' %q' "$@"
[ "$#" -gt 0 ] || flags=''
gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all \
  --command="cd aurl_jax && .venv/bin/python -m aurl_jax.main \
    --config=$page --workdir=$workdir --config.mesh.coordinator=auto$flags"
