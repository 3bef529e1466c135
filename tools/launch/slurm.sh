#!/bin/bash
# Trains on several nodes of a SLURM cluster, one process a GPU.
#
#     sbatch --nodes=2 tools/launch/slurm.sh base runs/big --config.mesh.fsdp=4
#
# The first word is the page, the second the workdir, which all nodes must
# share; the rest goes to the run. The same command goes on with the run:
# SLURM sends SIGTERM before the time is over, the run saves and ends with
# status 3, and the job is queued again.
#SBATCH --job-name=aurl
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

page=${1:?the page, such as base}
workdir=${2:?the workdir, on a disk that all nodes share}
shift 2

# Compiled programs are kept: a job that goes on need not compile again.
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$workdir/jax}
export AURL_CACHE=${AURL_CACHE:-$workdir/cache}

status=0
# jax asks SLURM who the others are (mesh.coordinator=auto).
srun --kill-on-bad-exit=1 "${PYTHON:-.venv/bin/python}" -m aurl_jax.main \
  --config="$page" --workdir="$workdir" \
  --config.mesh.coordinator=auto "$@" || status=$?

if [ "$status" -eq 3 ]; then
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
fi
exit "$status"
