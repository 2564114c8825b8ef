// Package train runs a training schedule: supervised warm-up, then phases of reinforcement
// learning, each on the plan that sample draws from the rewards of those before it.
//
//	                ┌───────────────────────────── history ◀────────────────┐
//	                ▼                                                       │ outcomes, also of
//	stage ──▶ plan (sample/curriculum) ──▶ stream ──▶ rollouts ──▶ rewards ─┤ groups thrown away
//	  ▲                                                                     ▼
//	  └── evaluation ◀── checkpoint ◀── learner ◀── advantages ◀── groups with a signal
//
// Its rule: a run is a pure function of (dataset, history before it, options, seed). Killed at
// any moment and run again, it goes on from its last checkpoint and ends with the same bits: the
// plan's segments, the outcomes and the metrics behind the checkpoint are taken back first, and
// every random number comes from (seed, stage, plan position), none from a generator that goes
// on.
//
// On disk, beside the dataset and its history:
//
//	runs/NAME/
//	  run.json          options and dataset of the run; another config is refused
//	  plans/            the plan of each stage, segment by segment
//	  checkpoints/      weights, optimizer, and the state of the run
//	  steps.jsonl       what each step measured; events.out.tfevents.* for TensorBoard
//	  report.json       one entry for each finished stage, with its evaluations
//	  model/            the policy after the last stage, as a Hugging Face folder
//
// What it costs beyond the learner: the prompts of one generation batch, the ids of the SFT
// samples (4 bytes a token) and 100 bytes for each sample in reach of a plan.
package train
