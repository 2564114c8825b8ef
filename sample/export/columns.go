package export

import "encoding/json"

// verl (checked with 0.7.1 and 0.9.1): RLHFDataset gives prompt to the chat template; reward
// managers hand data_source, reward_model.ground_truth and extra_info to the reward function.
type verlRow struct {
	DataSource  string     `parquet:"data_source"`
	Prompt      []Message  `parquet:"prompt,list"`
	Ability     string     `parquet:"ability"`
	RewardModel verlReward `parquet:"reward_model"`
	ExtraInfo   verlExtra  `parquet:"extra_info"`
}

type verlReward struct {
	Style       string  `parquet:"style"`
	GroundTruth *string `parquet:"ground_truth,optional"`
}

// verlExtra must not have a field that verl itself looks for (tools_kwargs, interaction_kwargs)
// or sets (num_turns, rollout_reward_scores).
type verlExtra struct {
	Index       int64    `parquet:"index"`
	Split       string   `parquet:"split"`
	SampleID    string   `parquet:"sample_id"`
	DatasetID   string   `parquet:"dataset_id"`
	PlanID      string   `parquet:"plan_id,optional"`
	Phase       int32    `parquet:"phase"`
	OriginPhase int32    `parquet:"origin_phase"`
	Position    int64    `parquet:"position"`
	Epoch       int32    `parquet:"epoch"`
	Question    string   `parquet:"question"`
	Answers     []string `parquet:"answers,list"`
}

// ability is verl's word for a kind of task; verl itself does nothing with it.
const ability = "long_context_reasoning"

func verlOf(r *Row) verlRow {
	return verlRow{
		DataSource: r.DataSource, Prompt: r.Prompt, Ability: ability,
		RewardModel: verlReward{Style: "rule", GroundTruth: r.Answer()},
		ExtraInfo: verlExtra{
			Index: r.Position, Split: "train", SampleID: r.SampleID, DatasetID: r.DatasetID, PlanID: r.PlanID,
			Phase: r.Phase, OriginPhase: r.OriginPhase, Position: r.Position, Epoch: r.Epoch, Question: r.Question, Answers: r.Answers,
		},
	}
}

// placeColumns say which position a row is.
type placeColumns struct {
	SampleID    string `parquet:"sample_id" json:"sample_id"`
	DatasetID   string `parquet:"dataset_id" json:"dataset_id"`
	PlanID      string `parquet:"plan_id,optional" json:"plan_id,omitempty"`
	Phase       int32  `parquet:"phase" json:"phase"`
	OriginPhase int32  `parquet:"origin_phase" json:"origin_phase"`
	Position    int64  `parquet:"position" json:"position"`
	Epoch       int32  `parquet:"epoch" json:"epoch"`
}

func placeOf(r *Row) placeColumns {
	return placeColumns{r.SampleID, r.DatasetID, r.PlanID, r.Phase, r.OriginPhase, r.Position, r.Epoch}
}

// TRL (checked with 1.16.0): GRPOTrainer hands every column but prompt to the reward function,
// by its name.
type trlRow struct {
	Prompt     []Message `parquet:"prompt,list"`
	Question   string    `parquet:"question"`
	Answers    []string  `parquet:"answers,list"`
	DataSource string    `parquet:"data_source,optional"`
	placeColumns
}

func trlOf(r *Row) trlRow { return trlRow{r.Prompt, r.Question, r.Answers, r.DataSource, placeOf(r)} }

// OpenRLHF (checked with 0.11.2) keeps prompt and label, and no other column: what a reward
// function has to know rides in the label, as JSON.
type openrlhfRow struct {
	Prompt     []Message `json:"prompt"`
	Label      string    `json:"label"`
	DataSource string    `json:"datasource"` // its own word
}

// A Label is what the label of an OpenRLHF row says.
type Label struct {
	SampleID   string   `json:"sample_id"`
	Answers    []string `json:"answers"`
	Question   string   `json:"question"`
	DataSource string   `json:"data_source,omitempty"`
	Phase      int32    `json:"phase"`
	Position   int64    `json:"position"`
	Epoch      int32    `json:"epoch"`
	PlanID     string   `json:"plan_id,omitempty"`
}

func openrlhfOf(r *Row) openrlhfRow {
	label, err := json.Marshal(Label{r.SampleID, list(r.Answers), r.Question, r.DataSource, r.Phase, r.Position, r.Epoch, r.PlanID})
	if err != nil {
		panic(err) // plain data
	}
	return openrlhfRow{r.Prompt, string(label), r.DataSource}
}

// Hugging Face datasets, and loops of one's own: everything. prompt and question are null in a
// dataset without text; its ids are there.
type hfRow struct {
	placeColumns
	DataSource   string    `parquet:"data_source,optional"`
	Prompt       []Message `parquet:"prompt,optional,list"`
	PromptTokens []int32   `parquet:"prompt_tokens,list"`
	PromptLength int32     `parquet:"prompt_length"`
	Question     *string   `parquet:"question,optional"`
	Answers      []string  `parquet:"answers,list"`
}

func hfOf(r *Row) hfRow {
	out := hfRow{placeOf(r), r.DataSource, r.Prompt, r.PromptTokens, r.PromptLength, nil, r.Answers}
	if r.Prompt != nil {
		out.Question = &r.Question
	}
	return out
}

type jsonlRow struct {
	placeColumns
	DataSource   string    `json:"data_source"`
	Prompt       []Message `json:"prompt"`
	PromptLength int32     `json:"prompt_length"`
	Question     string    `json:"question"`
	Answers      []string  `json:"answers"`
}

func jsonlRowOf(r *Row) jsonlRow {
	return jsonlRow{placeOf(r), r.DataSource, r.Prompt, r.PromptLength, r.Question, list(r.Answers)}
}

// list is never null: a reader of JSON takes null for another type.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
