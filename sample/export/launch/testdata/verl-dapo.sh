#!/usr/bin/env bash
# dapo with verl, phase by phase: the settings of QwenLong-L1 (arXiv 2505.17667).
# Variables: MODEL to start from, REWARD the reward function, GPUS of this machine, RUNS where checkpoints go.
set -euo pipefail

DATASET=export/data
RUN=seed7
MODEL=${MODEL:?the model to start from: a folder or a name}
RUNS=${RUNS:-runs/seed7}
GPUS=${GPUS:-8}

# REWARD: a Python file with compute_score(data_source, solution_str, ground_truth, extra_info). It returns
# {"score": r, "acc": r, "sample_id": extra_info["sample_id"]}. verl 0.7 and 0.8 dump that with each rollout, and the sample
# of a reward is found by its id. verl 0.9 dumps neither: there the sample is found by the prompt, and the reward is the
# shaped one, which the history must not have: a reward manager of yours appends {"sample_id", "rewards", "step", "position"}
# of each group, unshaped, to the file $OUTCOMES.
REWARD=${REWARD:?a Python file with compute_score}
VERL=${VERL:-$(python3 -c 'import importlib.metadata as m; print(m.version("verl"))')}

# hydra quotes a value for verl's configuration.
hydra() { printf "'%s'" "${1//\'/\\\'}"; }

# train PHASE FILE LONGEST_PROMPT trains a phase, and leaves in MODEL what the next one begins with.
train() {
  local dir=$RUNS/phase-$1
  mkdir -p "$dir"
  export OUTCOMES=$dir/outcomes.jsonl
  local options=(
    algorithm.adv_estimator=grpo
    algorithm.norm_adv_by_std_in_grpo=True
    algorithm.use_kl_in_reward=False

    data.train_files="$(hydra "$2")"
    data.shuffle=False # the file is in the order of the plan
    data.train_batch_size=128
    data.max_prompt_length="$3"
    data.max_response_length=10000
    data.filter_overlong_prompts=False # no prompt is over the bound of its phase
    data.truncation=error

    actor_rollout_ref.model.path="$(hydra "$MODEL")"
    actor_rollout_ref.model.use_remove_padding=True
    actor_rollout_ref.model.enable_gradient_checkpointing=True
    actor_rollout_ref.actor.optim.lr=2e-6
    actor_rollout_ref.actor.ppo_mini_batch_size=32
    actor_rollout_ref.actor.ppo_epochs=1
    actor_rollout_ref.actor.use_dynamic_bsz=True
    actor_rollout_ref.actor.ppo_max_token_len_per_gpu=$(($3 + 10000))
    actor_rollout_ref.actor.clip_ratio_low=0.2
    actor_rollout_ref.actor.clip_ratio_high=0.28
    actor_rollout_ref.actor.loss_agg_mode=token-mean
    actor_rollout_ref.actor.use_kl_loss=False
    actor_rollout_ref.actor.entropy_coeff=0
    actor_rollout_ref.rollout.name=vllm
    actor_rollout_ref.rollout.n=8
    actor_rollout_ref.rollout.temperature=0.7
    actor_rollout_ref.rollout.top_p=0.95
    actor_rollout_ref.rollout.max_model_len=$(($3 + 10000))
    actor_rollout_ref.rollout.log_prob_use_dynamic_bsz=True
    actor_rollout_ref.rollout.log_prob_max_token_len_per_gpu=$(($3 + 10000))

    reward.custom_reward_function.path="$(hydra "$REWARD")"
    reward.custom_reward_function.name=compute_score
    reward.reward_manager.name=dapo
    +reward.reward_kwargs.max_resp_len=10000
    +reward.reward_kwargs.overlong_buffer_cfg.enable=True
    +reward.reward_kwargs.overlong_buffer_cfg.len=1000
    +reward.reward_kwargs.overlong_buffer_cfg.penalty_factor=1.0
    +reward.reward_kwargs.overlong_buffer_cfg.log=False

    trainer.project_name="$(hydra "$RUN")"
    trainer.experiment_name="phase-$1"
    trainer.default_local_dir="$(hydra "$dir/checkpoints")"
    trainer.rollout_data_dir="$(hydra "$dir/rollouts")"
    trainer.n_gpus_per_node="$GPUS"
    trainer.nnodes="${NODES:-1}"
    trainer.total_epochs=1 # the plan holds the epochs
    trainer.save_freq="${SAVE_FREQ:-20}"
    trainer.resume_mode=auto
    trainer.logger='["console"]'

    data.val_files="$(hydra "$2")" # verl wants one; it is not used
    data.val_max_samples=1
    trainer.val_before_train=False
    trainer.test_freq=-1
  )
  case $VERL in
  0.[0-8].*) echo "verl $VERL: its main_ppo keeps zero-variance groups; dynamic sampling came with 0.9" >&2 ;;
  *)
    options+=(
      algorithm.filter_groups.enable=True
      algorithm.filter_groups.metric=acc # the unshaped reward
      algorithm.filter_groups.max_inflight_gen_batches=$((384 / 128))
    )
    ;;
  esac
  python3 -m verl.trainer.main_ppo "${options[@]}"

  local step
  step=$(<"$dir/checkpoints/latest_checkpointed_iteration.txt")
  python3 -m verl.model_merger merge --backend fsdp \
    --local_dir "$dir/checkpoints/global_step_$step/actor" --target_dir "$dir/model"
  MODEL=$dir/model
}

# record PHASE LONGEST_PROMPT records the rewards of a phase: $OUTCOMES where it was written, else verl's dumps.
# Groups that dynamic sampling dropped are not in the dumps: difficulty is estimated from the others alone.
record() {
  local from=(--from "$OUTCOMES" --format jsonl)
  if [[ ! -s $OUTCOMES ]]; then
    from=(--from "$RUNS/phase-$1/rollouts" --format verl --reward-field acc)
    case $VERL in 0.[0-8].*) ;; *) echo "verl $VERL dumps only shaped rewards, and there is no $OUTCOMES" >&2 && exit 1 ;; esac
  fi
  pipeline rewards import "$DATASET" "${from[@]}" \
    --run "$RUN" --train-stage "phase-$1" --phase "$1" --max-prompt "$2" --max-response 10000 --temperature 0.7
}

# Phase 1: prompts to 20000 tokens; 1000 rows, 7 steps, the last 104 rows are left out.
train 1 export/phase-1.parquet 20000
record 1 20000

# The plan of phase 2: hard samples of the phases before come again, by the rewards so far.
pipeline sample "$DATASET" --phase 2 --retrospective 'inverse_mean=0.1; rm' --seed 7 --output export/plan-2.parquet
pipeline export "$DATASET" --plan export/plan-2.parquet --format verl --output export/phase-2.parquet --force
# Phase 2: prompts to 60000 tokens.
train 2 export/phase-2.parquet 60000
record 2 60000
