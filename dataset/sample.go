package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"unsafe"
)

// A Sample is one dataset row as ingest makes it: what a source says of one question.
// An empty string in an optional field means that the source does not say.
type Sample struct {
	ID         string   // content hash, see HashSample. Example: "9f86d081884c7d659a2feaa0c55ad015"
	SourceID   string   // the input's own id; optional, not necessarily unique
	Source     string   // name of the input, never an absolute path. Example: "qmsum/val.jsonl"
	DataSource string   // task name, by which rewards are chosen. Example: "docmath"; optional
	Question   string   // for a chat that is used as it is: the last user turn
	Context    string   // the document; empty for a chat
	Answers    []string // reference answers, the first is the main one
	Response   string   // SFT samples only
	Messages   string   // JSON chat [{"role", "content"}], where the record was one; optional
	Meta       string   // JSON text; optional
}

// IsSFT reports whether the sample carries a response to imitate.
func (s *Sample) IsSFT() bool { return s.Response != "" }

// A ContextHash is the SHA-256 of a sample's context. It is computed once for the many
// questions of one document.
type ContextHash [sha256.Size]byte

// HashContext returns the hash of a document.
func HashContext(context string) ContextHash {
	return sha256.Sum256(bytesOf(context))
}

// HashSample returns the content hash that identifies a sample in every build: 128 bits,
// as 32 hex digits, of what the sample asks and answers. Tokenizer, template, phases,
// source and meta do not change it, so reward history survives a rebuild.
func HashSample(s *Sample, c ContextHash) string {
	h := sha256.New()
	h.Write([]byte("sample/1\x00"))
	h.Write(c[:])
	writeField(h, s.Question)
	writeField(h, s.Messages)
	writeField(h, s.Response)
	for _, a := range s.Answers {
		writeField(h, a)
	}
	var sum [sha256.Size]byte
	return hex.EncodeToString(h.Sum(sum[:0])[:16])
}

// writeField writes a length before the text, so that no two lists of fields collide.
func writeField(h hash.Hash, text string) {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(text)))
	h.Write(n[:])
	h.Write(bytesOf(text))
}

// bytesOf is the text's own memory, to be read only: a conversion would copy every document.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

// A Place says where in its split a sample's record began. Stages that may still refuse
// the sample need it; finished shards do not carry it.
type Place struct {
	Line   int64 // records before it in the split: lines of a text, rows of a table
	Offset int64 // byte offset in the input as it is read (decompressed); -1 for tables
	Notes  Notes
}

// Notes are facts about a kept sample that the ledger counts.
type Notes int32

const (
	// NoteNUL marks a sample whose text holds a NUL character.
	NoteNUL Notes = 1 << iota
	// NoteSpecial marks a sample whose question or context spells an added token of the tokenizer.
	NoteSpecial
	// NoteAnswerAbsent marks a sample of whose answers none stands in the document.
	NoteAnswerAbsent
	// NoteNearEmpty marks a sample whose document has hardly any words.
	NoteNearEmpty
	// NoteControl marks a sample whose text holds a control character that is no white space.
	NoteControl
)

// Which stage's ledger counts which notes.
const (
	IngestNotes   = NoteNUL | NoteAnswerAbsent | NoteNearEmpty | NoteControl
	TokenizeNotes = NoteSpecial
)

// noteNames are the ledger's words, in bit order.
var noteNames = []string{"nul", "special_tokens", "answer_not_in_document", "near_empty_document", "control_characters"}

// Names returns the ledger's word for each note that is set.
func (n Notes) Names() []string {
	var names []string
	for i, name := range noteNames {
		if n&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// A Reason says in one word why a record or a sample was dropped. Example: "empty_question"
type Reason string

// Reasons for which a stage drops what it was given.
const (
	ReasonInvalidJSON        Reason = "invalid_json"     // not one JSON value, or cut off
	ReasonInvalidCSV         Reason = "invalid_csv"      // a row with other fields than the first one
	ReasonInvalidUTF8        Reason = "invalid_utf8"     //
	ReasonTooLarge           Reason = "record_too_large" // over --max-record
	ReasonWrongType          Reason = "wrong_type"       // a field is there, but not of a usable type
	ReasonMissingField       Reason = "missing_field"    //
	ReasonEmptyQuestion      Reason = "empty_question"
	ReasonEmptyContext       Reason = "empty_context"
	ReasonEmptyAnswer        Reason = "empty_answer"
	ReasonCorruptInput       Reason = "corrupt_input" // the rest of an input cannot be read: gzip, zstd, Parquet
	ReasonChatTemplate       Reason = "chat_template" // the chat template refuses the messages
	ReasonDuplicate          Reason = "duplicate"     // the same content hash came before
	ReasonOverlong           Reason = "overlong"      // longer than the last phase allows
	ReasonUnknownMessage     Reason = "unknown_message"
	ReasonMissingDocument    Reason = "missing_document"       // a question names a document that is not there
	ReasonUnreadableDocument Reason = "unreadable_document"    // or one that has no text
	ReasonNearDuplicate      Reason = "near_duplicate"         // says nearly what an earlier sample says
	ReasonContaminated       Reason = "contaminated"           // holds a part of a benchmark
	ReasonAnswerAbsent       Reason = "answer_not_in_document" // dropped because it was asked for, as the following
	ReasonNearEmpty          Reason = "near_empty_document"
	ReasonControl            Reason = "control_characters"
)

// Asked reports whether the reason is one that the options ask to drop samples for: such a
// drop says nothing bad of the input.
func (r Reason) Asked() bool {
	switch r {
	case ReasonDuplicate, ReasonNearDuplicate, ReasonContaminated, ReasonAnswerAbsent, ReasonNearEmpty, ReasonControl:
		return true
	}
	return false
}

// Evidence says by what a near duplicate or a contaminated sample was recognized.
type Evidence struct {
	KeptSampleID string  `json:"kept_sample_id,omitzero"` // near_duplicate: the earlier sample that stays
	Similarity   float64 `json:"similarity,omitzero"`     // near_duplicate: of the two documents, to three digits
	Benchmark    string  `json:"benchmark,omitzero"`      // contaminated: name of the file
	BenchmarkID  string  `json:"benchmark_id,omitzero"`   // its sample, by the file's own id or the content hash
	Field        string  `json:"field,omitzero"`          // of the benchmark's sample. Example: "question"
	NGram        string  `json:"n_gram,omitzero"`         // the words that both have
	FoundIn      string  `json:"found_in,omitzero"`       // where they stand in the dropped sample. Example: "context"
}

// A Reject is one record, or one sample of a record, that went to quarantine.
type Reject struct {
	Stage    string `json:"stage"`
	Source   string `json:"source"`
	Line     int64  `json:"line"`        // from 1; inside a split: lines before it
	Offset   int64  `json:"byte_offset"` // of the record's first byte, -1 for tables
	SourceID string `json:"source_id,omitzero"`
	SampleID string `json:"sample_id,omitzero"` // where it had become a sample
	Reason   Reason `json:"reason"`
	Detail   string `json:"detail"`
	Excerpt  string `json:"excerpt"` // the record's first characters, invalid bytes replaced

	Evidence *Evidence `json:"evidence,omitempty"`
}
