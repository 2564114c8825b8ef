#!/usr/bin/env bash
# grpo with openrlhf, phase by phase: the settings of QwenLong-L1 (arXiv 2505.17667).
# Variables: MODEL to start from, REWARD the reward function, GPUS of this machine, RUNS where checkpoints go.
set -euo pipefail

DATASET=export/data
RUN=seed7
MODEL=${MODEL:?the model to start from: a folder or a name}
RUNS=${RUNS:-runs/seed7}
GPUS=${GPUS:-8}

# REWARD: a Python file with reward_func(queries, prompts, labels, **kwargs). A label is JSON with sample_id and answers. It
# appends {"sample_id", "rewards", "step", "position"} of each group to the file $OUTCOMES.
REWARD=${REWARD:?a Python file with reward_func}

# train PHASE FILE LONGEST_PROMPT trains a phase, and leaves in MODEL what the next one begins with.
# OpenRLHF shuffles its prompts, and has no option against it: phases hold, the order inside them does not.
train() {
  local dir=$RUNS/phase-$1
  mkdir -p "$dir"
  export OUTCOMES=$dir/outcomes.jsonl
  python3 -m openrlhf.cli.train_ppo_ray \
    --actor.model_name_or_path "$MODEL" \
    --reward.remote_url "$REWARD" \
    --data.prompt_dataset "$2" \
    --data.input_key prompt \
    --data.label_key label \
    --data.apply_chat_template \
    --data.max_len $(($3 + 10000)) \
    --rollout.max_new_tokens 10000 \
    --rollout.n_samples_per_prompt 8 \
    --rollout.batch_size 128 \
    --rollout.temperature 0.7 \
    --rollout.top_p 0.95 \
    --train.batch_size 256 \
    --train.num_episodes 1 \
    --train.max_epochs 1 \
    --train.dynamic_batch_enable \
    --train.max_tokens_per_gpu $(($3 + 10000)) \
    --rollout.max_tokens_per_gpu $(($3 + 10000)) \
    --train.colocate_all \
    --actor.num_nodes 1 \
    --actor.num_gpus_per_node "$GPUS" \
    --vllm.num_engines "$GPUS" \
    --actor.adam.lr 2e-6 \
    --actor.lr_scheduler constant \
    --actor.lr_warmup_ratio 0 \
    --actor.eps_clip_low_high 0.2 0.2 \
    --actor.loss_agg_mode seq-mean-token-mean \
    --algo.advantage.estimator group_norm \
    --algo.kl.init_coef 0 \
    --actor.gradient_checkpointing_enable \
    --ds.zero_stage 3 \
    --ds.param_dtype bf16 \
    --ckpt.path "$dir/checkpoints" \
    --ckpt.output_dir "$dir/model"
  MODEL=$dir/model
}

# record PHASE LONGEST_PROMPT records the rewards of a phase.
record() {
  pipeline rewards import "$DATASET" --from "$RUNS/phase-$1/outcomes.jsonl" --format jsonl \
    --run "$RUN" --train-stage "phase-$1" --phase "$1" --max-prompt "$2" --max-response 10000 --temperature 0.7
}

# Phase 1: prompts to 20000 tokens; 1000 rows.
train 1 export/phase-1.parquet 20000
record 1 20000

# The plan of phase 2: hard samples of the phases before come again, by the rewards so far.
pipeline sample "$DATASET" --phase 2 --retrospective 'inverse_mean=0.1; rm' --seed 7 --output export/plan-2.parquet
pipeline export "$DATASET" --plan export/plan-2.parquet --format openrlhf --output export/phase-2.parquet --force
# Phase 2: prompts to 60000 tokens.
train 2 export/phase-2.parquet 60000
record 2 60000
