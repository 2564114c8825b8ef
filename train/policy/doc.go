// Package policy is the model that is trained: decoder transformers of the Qwen2, Qwen2.5,
// Qwen3 and Llama families, as Hugging Face folders on disk and as a GoMLX graph.
//
//	config.json ──Load──▶ Weights ──Tensors──▶ graph nodes (Params)
//	*.safetensors             ▲                    │ Hidden: [rows, time] ids -> [rows, time, width]
//	                     Init │                    │ Logits: only of the slots that somebody asks for
//	       Config (a preset) ─┘                    ▼ LogProbs: log probability and entropy
//
// Its rule: a tensor has the name, the shape and the axes that Hugging Face gives it, from the
// file to the gradient. What the package does not know (an architecture, a kind of rope, an
// extra tensor) is an error that names it, before anything large is allocated.
//
// What it costs: Load keeps 4 bytes a parameter whatever the dtype of the file. A forward pass
// keeps the attention of each layer, rows x heads x time x time floats, for its gradient; see
// Config.Memory.
//
// It is a leaf: ids and tensors in, tensors out. Package decode beside it generates, package
// backend opens the machine that computes.
package policy
