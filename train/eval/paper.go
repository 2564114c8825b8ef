package eval

// A Published row is a result that its authors give without an interval.
type Published struct {
	Model   string  `json:"model"`
	Average float64 `json:"average"`         // Pass@1 in percent, over the seven benchmarks
	Pass2   float64 `json:"pass_2,omitzero"` // Pass@2 in percent; 0: not given
}

// PaperSource says where the rows of Paper come from.
const PaperSource = "QwenLong-L1, arXiv 2505.17667: average Pass@1 over DocMath, Frames, 2WikiMultihopQA, HotpotQA, MuSiQue, NarrativeQA and Qasper " +
	"(824 questions of Frames, 200 of each other); no intervals given: with 200 questions the standard error is 3.4 points at 65 %"

// Paper are the averages of QwenLong-L1's main table.
var Paper = []Published{
	{"R1-Distill-Qwen-14B", 64.2, 0},
	{"R1-Distill-Qwen-14B, SFT", 65.0, 0},
	{"QwenLong-L1-14B, GRPO", 68.2, 0},
	{"QwenLong-L1-14B, DAPO", 68.3, 73.7},
	{"R1-Distill-Qwen-32B", 65.6, 0},
	{"R1-Distill-Qwen-32B, SFT", 68.7, 0},
	{"QwenLong-L1-32B, GRPO", 70.3, 0},
	{"QwenLong-L1-32B, DAPO", 70.7, 0},
	{"o3-mini", 70.4, 0},
	{"Qwen3-235B-A22B", 70.6, 0},
	{"Claude-3.7-Sonnet-Thinking", 70.7, 0},
	{"DeepSeek-R1", 72.1, 0},
	{"o1-preview", 72.9, 0},
}
