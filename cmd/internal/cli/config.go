package cli

import (
	"github.com/longctx/pipeline/bucket"
	"github.com/longctx/pipeline/cmd/internal/build"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest"
	"github.com/longctx/pipeline/ingest/clean"
	"github.com/longctx/pipeline/tokenize"
)

// Config is everything that pipeline.toml may say. Flags override it.
type Config struct {
	Output    string `toml:"output" flag:"output" short:"o" default:"data" help:"folder of the dataset to write" sections:"build"`
	Workers   int    `toml:"workers" flag:"workers" default:"0" help:"goroutines at work; 0: one per CPU" sections:"build"`
	MaxMemory Size   `toml:"max_memory" flag:"max-memory" default:"384MiB" help:"memory to plan with" sections:"build"`
	MaxBad    Share  `toml:"max_bad" flag:"max-bad" default:"1%" help:"share of bad records above which the build ends with status 3" sections:"build"`

	Input    []InputConfig  `toml:"input"`
	Ingest   IngestConfig   `toml:"ingest"`
	Clean    CleanConfig    `toml:"clean"`
	Tokenize TokenizeConfig `toml:"tokenize"`
	Bucket   BucketConfig   `toml:"bucket"`
	Engine   EngineConfig   `toml:"engine"`
	Audit    AuditConfig    `toml:"audit"`
	Train    TrainConfig    `toml:"train"`
	Remote   RemoteConfig   `toml:"remote"`
	Reward   RewardConfig   `toml:"reward"`
	Eval     EvalConfig     `toml:"eval"`
}

// InputConfig is one [[input]]. The flags --input, --format, --map, --data-source and --documents make such
// entries too, one for each --input.
type InputConfig struct {
	Path       string            `toml:"path"`
	Format     string            `toml:"format,omitempty"`
	Map        map[string]string `toml:"map,omitempty"`
	DataSource string            `toml:"data_source,omitempty"`
	Documents  string            `toml:"documents,omitempty"`

	Name string `toml:"-"` // of a fetched file, as its server has it
}

// IngestConfig is [ingest].
type IngestConfig struct {
	MaxRecord      Size `toml:"max_record" flag:"max-record" default:"64MiB" help:"longest record that is read" sections:"ingest"`
	SplitSize      Size `toml:"split_size" flag:"split-size" default:"64MiB" help:"input per split, the unit of work" sections:"ingest"`
	AllowNoContext bool `toml:"allow_no_context" flag:"allow-no-context" default:"false" help:"take samples that have a question but no document" sections:"ingest"`
}

// CleanConfig is [clean].
type CleanConfig struct {
	NearDedup     Share  `toml:"near_dedup" flag:"near-dedup" default:"0" help:"drop samples whose document is this similar to that of an earlier one with the same question and answers, from 0.5 to 1; 0: keep them" sections:"ingest"`
	NearDedupBy   string `toml:"near_dedup_by" flag:"near-dedup-by" default:"sample" help:"what near duplicates are: sample, or document (whatever is asked of it)" sections:"ingest"`
	Decontaminate Names  `toml:"decontaminate,omitempty" flag:"decontaminate" default:"" help:"benchmark files or patterns, with commas between: drop samples that hold a part of one" sections:"ingest"`
	Fields        Names  `toml:"decontaminate_fields" flag:"decontaminate-fields" default:"question,answer" help:"fields of the benchmarks to look for: question, answer, context" sections:"ingest"`
	NGram         int    `toml:"decontaminate_words" flag:"decontaminate-words" default:"13" help:"words in a row that make a part of a benchmark" sections:"ingest"`
	Check         Names  `toml:"check,omitempty" flag:"check" default:"" help:"note in the ledger how many samples have answer_not_in_document, near_empty_document, control_characters" sections:"ingest"`
	Drop          Names  `toml:"drop,omitempty" flag:"drop" default:"" help:"drop such samples" sections:"ingest"`

	names []string // of Decontaminate, as their servers have them; none: as they are
}

// options are the section's; benchmarks that were fetched have names of their own.
func (c CleanConfig) options() clean.Options {
	o := clean.Options{NearDedup: float64(c.NearDedup), NearDedupBy: c.NearDedupBy, Fields: c.Fields, NGram: c.NGram, Check: c.Check, Drop: c.Drop}
	for i, p := range c.Decontaminate {
		in := ingest.Input{Path: p}
		if i < len(c.names) {
			in.Name = c.names[i]
		}
		o.Decontaminate = append(o.Decontaminate, in)
	}
	return o
}

// TokenizeConfig is [tokenize].
type TokenizeConfig struct {
	Tokenizer     string `toml:"tokenizer" flag:"tokenizer" default:"o200k_base" help:"tokenizer.json, a tiktoken rank file, a folder or hf://ORG/MODEL that holds one, or a built-in: o200k_base, cl100k_base, p50k_base, r50k_base, bytes" sections:"tokenize"`
	Template      string `toml:"template" flag:"template" default:"qwenlong-l1" help:"prompt template: qwenlong-l1, none, or a file with $DOC$ and $Q$" sections:"tokenize"`
	ChatTemplate  string `toml:"chat_template" flag:"chat-template" default:"auto" help:"chat template: auto (the tokenizer's own), none, or a Jinja file" sections:"tokenize"`
	ChatDate      string `toml:"chat_date,omitempty" flag:"chat-date" default:"" help:"the date that a chat template with strftime_now writes, such as 2026-11-23" sections:"tokenize"`
	SpecialTokens string `toml:"special_tokens" flag:"special-tokens" default:"text" help:"special tokens spelled in documents and questions: text, or parse as Hugging Face does" sections:"tokenize"`
}

// BucketConfig is [bucket].
type BucketConfig struct {
	Phases Lengths `toml:"phases" flag:"phases" default:"20000,60000" help:"longest prompt of each phase, in tokens" sections:"bucket"`
	Length string  `toml:"length" flag:"length" default:"prompt" help:"what decides the phase: prompt, or question+context" sections:"bucket,tokenize"`
	NoText bool    `toml:"no_text" flag:"no-text" default:"false" help:"leave question, context, response text and meta out of the shards" sections:"bucket"`
}

// EngineConfig is [engine]: where the splits of a build are done. None of it changes a byte.
type EngineConfig struct {
	Name         string   `toml:"name" flag:"engine" default:"local" help:"where splits are done: local, ray or slurm; output and inputs then are on a file system that all nodes share" sections:"engine"`
	Address      string   `toml:"address" flag:"engine-address" default:"auto" help:"ray: address of the cluster, such as 10.0.0.1:6379; auto: $RAY_ADDRESS, or the cluster of this machine" sections:"engine"`
	Args         string   `toml:"args,omitempty" flag:"engine-args" default:"" help:"slurm: more arguments of sbatch, such as '--partition=cpu --mem=4G'" sections:"engine"`
	TaskSize     Size     `toml:"task_size" flag:"task-size" default:"512MiB" help:"input of one task, the unit of scheduling; about a minute of work" sections:"engine"`
	TaskCPUs     int      `toml:"task_cpus" flag:"task-cpus" default:"1" help:"CPUs of a task, and its --workers" sections:"engine"`
	TaskTimeout  Duration `toml:"task_timeout" flag:"task-timeout" default:"1h" help:"a task that takes longer is killed, and tried again" sections:"engine"`
	TaskAttempts int      `toml:"task_attempts" flag:"task-attempts" default:"3" help:"tries of a task that fails; one whose node is lost is always tried again" sections:"engine"`
}

// AuditConfig is [audit]: from where on a finding asks for a person, so that the verb audit ends
// with status 3.
type AuditConfig struct {
	QuarantineVisits int   `toml:"quarantine_visits" flag:"quarantine-visits" default:"3" help:"visits without a success that make a sample unlearnable" sections:"audit"`
	SolvedAbove      Share `toml:"solved_above" flag:"solved-above" default:"90%" help:"mean reward over which a sample is solved" sections:"audit"`
	MaxUnlearnable   Share `toml:"max_unlearnable" flag:"max-unlearnable" default:"5%" help:"share of unlearnable samples, of those with a known reward, that needs no look" sections:"audit"`
	MaxSolved        Share `toml:"max_solved" flag:"max-solved" default:"50%" help:"the same of solved samples" sections:"audit"`
	MaxNeverVisited  Share `toml:"max_never_visited" flag:"max-never-visited" default:"50%" help:"the same of samples never visited, of the phases that were trained" sections:"audit"`
	MaxZeroVariance  Share `toml:"max_zero_variance" flag:"max-zero-variance" default:"60%" help:"the same of zero-variance groups, in the last quarter of the steps" sections:"audit"`
	MaxNull          Share `toml:"max_null" flag:"max-null" default:"1%" help:"the same of rollouts without a reward" sections:"audit"`
	MaxDisagreement  Share `toml:"max_disagreement" flag:"max-disagreement" default:"20%" help:"the same of rollouts on which rule and judge differ" sections:"audit"`
	MaxOversampling  int   `toml:"max_oversampling" flag:"max-oversampling" default:"3" help:"groups drawn for one that teaches, in another pass over a phase, that need no look" sections:"audit"`
	Top              int   `toml:"top" flag:"top" default:"50" help:"rows of a list in the HTML page" sections:"audit"`
}

// RemoteConfig is [remote]: where files of the Hub, of web servers and of S3 are kept.
type RemoteConfig struct {
	Cache   string `toml:"cache,omitempty" flag:"cache" default:"" help:"folder for what is fetched (hf://, https://, s3://); empty: the user's cache" sections:"ingest,tokenize"`
	Offline bool   `toml:"offline" flag:"offline" default:"false" help:"fetch nothing: use what the cache has" sections:"ingest,tokenize"`
}

// RewardConfig is [reward]: how responses are scored.
type RewardConfig struct {
	Scorer           string            `toml:"scorer" flag:"scorer" default:"strict" help:"rule: strict, or qwenlong-l1 as its released code scores" sections:"reward"`
	Types            map[string]string `toml:"types,omitempty"` // answer type of a data_source, over the built-in ones
	Tolerance        Share             `toml:"tolerance" flag:"tolerance" default:"0.1%" help:"strict: largest relative difference of equal numbers, where the reference is not a whole one" sections:"reward"`
	ExtraWords       int               `toml:"extra_words" flag:"extra-words" default:"3" help:"strict: words that an answer may have beyond the reference" sections:"reward"`
	RequireThink     bool              `toml:"require_think" flag:"require-think" default:"false" help:"strict: without </think> a response has no answer" sections:"reward"`
	Judge            string            `toml:"judge,omitempty" flag:"judge" default:"" help:"OpenAI-compatible endpoint of a judge, asked where the rule says 0, such as http://127.0.0.1:8080/v1" sections:"reward"`
	JudgeModel       string            `toml:"judge_model,omitempty" flag:"judge-model" default:"" help:"model of the judge" sections:"reward"`
	JudgeTimeout     Duration          `toml:"judge_timeout" flag:"judge-timeout" default:"2m" help:"longest wait for one answer of the judge" sections:"reward"`
	JudgeRetries     int               `toml:"judge_retries" flag:"judge-retries" default:"5" help:"attempts after the first, with growing waits" sections:"reward"`
	JudgeConcurrency int               `toml:"judge_concurrency" flag:"judge-concurrency" default:"16" help:"questions to the judge at the same time" sections:"reward"`
	JudgeMaxTokens   int               `toml:"judge_max_tokens" flag:"judge-max-tokens" default:"512" help:"longest answer of the judge, in tokens; one that reasons first needs more" sections:"reward"`
}

// EvalConfig is [eval]: what a policy is asked, and how.
type EvalConfig struct {
	Endpoint      string   `toml:"endpoint,omitempty" flag:"endpoint" default:"" help:"OpenAI-compatible endpoint of the policy, such as http://127.0.0.1:8080/v1" sections:"eval"`
	Model         string   `toml:"model,omitempty" flag:"model" default:"" help:"name of the policy at the endpoint" sections:"eval"`
	API           string   `toml:"api" flag:"api" default:"chat" help:"chat: messages, to which the server applies its template; completions: the dataset's prompt token ids" sections:"eval"`
	N             int      `toml:"n" flag:"n" default:"16" help:"responses for each sample" sections:"eval"`
	PerRequest    int      `toml:"n_per_request" flag:"n-per-request" default:"1" help:"of them in one request; more than 1 saves prefills where the server keeps no prefixes, but servers then do not say how long each response is" sections:"eval"`
	Temperature   Decimal  `toml:"temperature" flag:"temperature" default:"0.7" help:"temperature" sections:"eval"`
	TopP          Decimal  `toml:"top_p" flag:"top-p" default:"0.95" help:"top-p" sections:"eval"`
	MaxTokens     int      `toml:"max_tokens" flag:"max-tokens" default:"10000" help:"longest response, in tokens" sections:"eval"`
	ContextLength int      `toml:"context_length" flag:"context-length" default:"0" help:"longest prompt and response together that the policy takes, in tokens of the dataset's tokenizer; 0: the server will say" sections:"eval"`
	Truncate      string   `toml:"truncate" flag:"truncate" default:"none" help:"a prompt that does not fit: none refuses the sample, middle cuts the middle of its context out" sections:"eval"`
	Seed          int      `toml:"seed" flag:"seed" default:"0" help:"seed of --limit, of the responses and of the intervals" sections:"eval"`
	Concurrency   int      `toml:"concurrency" flag:"concurrency" default:"16" help:"requests in flight" sections:"eval"`
	Timeout       Duration `toml:"timeout" flag:"timeout" default:"30m" help:"longest wait for one answer of the policy" sections:"eval"`
	Retries       int      `toml:"retries" flag:"retries" default:"5" help:"attempts after the first, with growing waits" sections:"eval"`
}

// Build returns the options of a build of these stages.
func (c *Config) Build(stages ...dataset.Stage) build.Options {
	o := build.Options{
		Stages: stages,
		Ingest: ingest.Options{
			MaxRecord: int64(c.Ingest.MaxRecord), SplitBytes: int64(c.Ingest.SplitSize), AllowNoContext: c.Ingest.AllowNoContext,
			PDF: PDFText,
		},
		Clean: c.Clean.options(),
		Tokenize: tokenize.Options{
			Tokenizer: c.Tokenize.Tokenizer, Template: c.Tokenize.Template, ChatTemplate: c.Tokenize.ChatTemplate,
			ChatDate: c.Tokenize.ChatDate, SpecialTokens: c.Tokenize.SpecialTokens,
			CountQuestionContext: c.Bucket.Length == bucket.LengthQuestionContext,
		},
		Bucket: bucket.Options{Phases: c.Bucket.Phases, Length: c.Bucket.Length, NoText: c.Bucket.NoText},
		Output: dataset.Dir(c.Output), Locker: FileLocker(c.Output),
		Workers: c.Workers, MaxMemory: int64(c.MaxMemory),
	}
	for _, in := range c.Input {
		o.Ingest.Inputs = append(o.Ingest.Inputs, ingest.Input{Path: in.Path, Format: in.Format, Map: in.Map, DataSource: in.DataSource, Documents: in.Documents, Name: in.Name})
	}
	return o
}
