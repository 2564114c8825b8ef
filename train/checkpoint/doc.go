// Package checkpoint keeps training states on disk: weights, optimizer, cursors, curriculum,
// random generators, step.
//
// Its rule: a checkpoint is there whole or not at all, and a damaged one is found before it is
// used. Files are written aside and synced, the manifest with their hashes goes last, then one
// rename makes the checkpoint appear. Whatever operation fails, and wherever the machine stops,
// either the new checkpoint is there or the one before is.
//
//	DIR/step-00000120/
//	  model/config.json ...          a Hugging Face folder that transformers and vLLM open
//	  optimizer.safetensors          whatever else the caller writes
//	  manifest.json                  step, score, State, and name, bytes, sha256 of every file; written last
//	DIR/step-00000140.aside/         being written, or being thrown away: removed by the next Save
//
// What it costs: Save writes and hashes each byte once and syncs each file; Latest reads and
// hashes the newest checkpoint once.
package checkpoint
