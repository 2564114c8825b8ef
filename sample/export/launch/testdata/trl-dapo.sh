#!/usr/bin/env bash
# dapo with trl, phase by phase: the settings of QwenLong-L1 (arXiv 2505.17667).
# Variables: MODEL to start from, REWARD the reward function, GPUS of this machine, RUNS where checkpoints go.
set -euo pipefail

DATASET=export/data
RUN=seed7
MODEL=${MODEL:?the model to start from: a folder or a name}
RUNS=${RUNS:-runs/seed7}
GPUS=${GPUS:-8}

# REWARD: the dotted name of a Python function, such as rewards.score. TRL hands it prompts, completions and every column
# of the file by name. It appends {"sample_id", "rewards", "step", "position"} of each group to the file $OUTCOMES.
REWARD=${REWARD:?the dotted name of a reward function}

# train PHASE FILE LONGEST_PROMPT trains a phase, and leaves in MODEL what the next one begins with.
train() {
  local dir=$RUNS/phase-$1
  mkdir -p "$dir"
  export OUTCOMES=$dir/outcomes.jsonl
  # A file for what the command line cannot say. Strings of YAML in single quotes double theirs.
  cat >"$dir/data.yaml" <<END
datasets:
  - path: parquet
    data_files: '${2//\'/\'\'}'
END
  # An optimizer update takes 256 completions (32 prompts), a generation 1024 (128 prompts).
  accelerate launch --num_processes "$GPUS" --module trl.scripts.grpo --config "$dir/data.yaml" \
    --model_name_or_path "$MODEL" \
    --reward_funcs "$REWARD" \
    --output_dir "$dir/model" \
    --shuffle_dataset False \
    --num_train_epochs 1 \
    --num_generations 8 \
    --per_device_train_batch_size 1 \
    --gradient_accumulation_steps $((256 / GPUS)) \
    --generation_batch_size 1024 \
    --num_iterations 1 \
    --max_completion_length 10000 \
    --vllm_max_model_length $(($3 + 10000)) \
    --learning_rate 2e-6 \
    --lr_scheduler_type constant \
    --temperature 0.7 \
    --top_p 0.95 \
    --beta 0 \
    --epsilon 0.2 \
    --epsilon_high 0.28 \
    --loss_type dapo \
    --scale_rewards group \
    --use_vllm True \
    --gradient_checkpointing True \
    --bf16 True
  MODEL=$dir/model
}

# TRL has no dynamic sampling: zero-variance groups stay, and teach nothing. Overlong shaping is the reward function's
# (10000 tokens, the last 1000 of them down to -1): it writes the unshaped rewards to $OUTCOMES.

# record PHASE LONGEST_PROMPT records the rewards of a phase.
record() {
  pipeline rewards import "$DATASET" --from "$RUNS/phase-$1/outcomes.jsonl" --format jsonl \
    --run "$RUN" --train-stage "phase-$1" --phase "$1" --max-prompt "$2" --max-response 10000 --temperature 0.7
}

# Phase 1: prompts to 20000 tokens; 1000 rows, 7 generations, the last 104 rows are left out.
train 1 export/phase-1.parquet 20000
record 1 20000

# The plan of phase 2: hard samples of the phases before come again, by the rewards so far.
pipeline sample "$DATASET" --phase 2 --retrospective 'inverse_mean=0.1; rm' --seed 7 --output export/plan-2.parquet
pipeline export "$DATASET" --plan export/plan-2.parquet --format trl --output export/phase-2.parquet --force
# Phase 2: prompts to 60000 tokens.
train 2 export/phase-2.parquet 60000
record 2 60000
