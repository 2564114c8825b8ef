package template

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ardanlabs/jinja"
)

// Names that rewrite puts into the engine's source.
const (
	reserved   = "__"
	textsName  = "__text"
	printName  = "__print"
	tickName   = "__tick"
	enterName  = "__enter"
	leaveName  = "__leave"
	sizeName   = "__size"
	spaceName  = "__space"
	maxTicks   = 1 << 20   // turns of all loops and calls of all macros, of one render
	maxDepth   = 100       // macros inside macros; the engine's stack would end the process
	maxRange   = 100_000   // MAX_RANGE of Jinja2's sandbox
	maxGrowth  = 64 << 20  // bytes or items in one variable, beside the size of the chat
	maxPrinted = 256 << 20 // bytes printed, beside the size of the chat
)

// ErrRefused is wrapped by the error of a chat that the template itself refuses (raise_exception).
var ErrRefused = errors.New("the chat template refuses this chat")

// An engine renders one template in full. It is safe for concurrent use.
type engine struct {
	compiled *jinja.Template
	texts    jinja.Value
	special  map[string]string
	date     time.Time
}

type callable = func(args []jinja.Value, kwargs map[string]jinja.Value) (jinja.Value, error)

func newEngine(r *rewritten, special map[string]string) (e *engine, err error) {
	defer recoverTo(&err)
	compiled, err := jinja.Compile(r.source)
	if err != nil {
		return nil, fmt.Errorf("%w; the template may use Jinja that is not supported", err)
	}
	texts := make([]jinja.Value, len(r.texts))
	for i, s := range r.texts {
		texts[i] = jinja.NewString(s)
	}
	return &engine{compiled: compiled, texts: jinja.NewList(texts), special: special}, nil
}

func recoverTo(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the template engine panicked: %v", p)
	}
}

func (e *engine) render(messages []Message) (string, error) {
	return e.renderWithin(messages, maxTicks)
}

func (e *engine) renderWithin(messages []Message, ticks int) (text string, err error) {
	defer recoverTo(&err)
	if len(messages) == 0 {
		return "", errors.New("the chat has no messages; give it at least one")
	}
	size := 0
	list := make([]jinja.Value, len(messages))
	for i, m := range messages {
		d := jinja.NewDict()
		d.AsDict().Set("role", jinja.NewString(m.Role))
		d.AsDict().Set("content", jinja.NewString(m.Content))
		list[i] = d
		size += len(m.Content)
	}
	data := map[string]jinja.Value{
		"messages":              jinja.NewList(list),
		"add_generation_prompt": jinja.NewBool(true),
		"tools":                 jinja.None(),
		"documents":             jinja.None(),
		"strftime_now":          jinja.Undefined(), // hides the engine's own, which reads the clock
		textsName:               e.texts,
		spaceName:               jinja.NewString(pythonSpace),
	}
	for name, token := range e.special {
		data[name] = jinja.NewString(token)
	}
	if !e.date.IsZero() {
		data["strftime_now"] = jinja.NewCallable("strftime_now", e.strftimeNow)
	}
	b := &budget{size: size, maxTicks: ticks}
	for name, f := range map[string]callable{
		"range": b.makeRange, "raise_exception": raise, printName: b.print,
		tickName: b.tick, enterName: b.enter, leaveName: b.leave, sizeName: b.checkSize,
	} {
		data[name] = jinja.NewCallable(name, f)
	}
	return e.compiled.RenderValues(data)
}

func (e *engine) strftimeNow(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
	if len(args) != 1 || !args[0].IsString() {
		return jinja.Undefined(), errors.New("strftime_now takes one format string")
	}
	s, err := strftime(e.date, args[0].AsString())
	return jinja.NewString(s), err
}

func raise(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
	message := ""
	if len(args) > 0 {
		message = pythonString(args[0])
	}
	return jinja.Undefined(), fmt.Errorf("%w: %s", ErrRefused, message)
}

// A budget ends a render that would not end by itself. It belongs to one render.
type budget struct {
	size, maxTicks, ticks, depth, printed int
}

func (b *budget) tick([]jinja.Value, map[string]jinja.Value) (jinja.Value, error) {
	return jinja.NewBool(false), b.spend(1)
}

func (b *budget) spend(n int) error {
	if b.ticks += n; b.ticks > b.maxTicks {
		return fmt.Errorf("the template loops more than %d times; it may never end", b.maxTicks)
	}
	return nil
}

func (b *budget) enter([]jinja.Value, map[string]jinja.Value) (jinja.Value, error) {
	if b.depth++; b.depth > maxDepth {
		return jinja.Undefined(), fmt.Errorf("macros call each other deeper than %d; they may never end", maxDepth)
	}
	return jinja.NewBool(false), b.spend(1)
}

func (b *budget) leave([]jinja.Value, map[string]jinja.Value) (jinja.Value, error) {
	b.depth--
	return jinja.NewBool(false), nil
}

func (b *budget) checkSize(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
	if deeper(args[0], maxNesting) {
		return jinja.Undefined(), fmt.Errorf("a variable of the template is nested deeper than %d; it may hold itself", maxNesting)
	}
	n := 0
	switch v := args[0]; {
	case v.IsString():
		n = len(v.AsString())
	case v.IsList():
		n = v.AsList().Len()
	}
	if n > maxGrowth+b.size {
		return jinja.Undefined(), fmt.Errorf("a variable of the template grows beyond %d", maxGrowth)
	}
	return jinja.NewBool(false), nil
}

// deeper says whether v is nested deeper than depth.
func deeper(v jinja.Value, depth int) bool {
	if depth == 0 {
		return true
	}
	if v.IsList() {
		for _, item := range v.AsList().Items {
			if deeper(item, depth-1) {
				return true
			}
		}
	}
	if v.IsDict() {
		for _, item := range v.AsDict().Data {
			if deeper(item, depth-1) {
				return true
			}
		}
	}
	return false
}

func (b *budget) makeRange(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
	n := make([]int64, len(args))
	for i, a := range args {
		if !a.IsInt() {
			return jinja.Undefined(), errors.New("range takes whole numbers")
		}
		n[i] = a.AsInt()
	}
	start, stop, step := int64(0), int64(0), int64(1)
	switch len(n) {
	case 1:
		stop = n[0]
	case 2:
		start, stop = n[0], n[1]
	case 3:
		start, stop, step = n[0], n[1], n[2]
	default:
		return jinja.Undefined(), errors.New("range takes one to three numbers")
	}
	if step == 0 {
		return jinja.Undefined(), errors.New("the step of a range is 0")
	}
	var items []jinja.Value
	for i := start; (step > 0 && i < stop) || (step < 0 && i > stop); i += step {
		if len(items) == maxRange {
			return jinja.Undefined(), fmt.Errorf("a range is longer than %d", maxRange)
		}
		items = append(items, jinja.NewInt(i))
		if next := i + step; (step > 0) != (next > i) {
			break // past the last int64
		}
	}
	return jinja.NewList(items), b.spend(len(items))
}

// print formats what a tag puts out as Python's str does.
func (b *budget) print(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
	var s string
	if len(args) == 1 {
		s = pythonString(args[0])
	} else {
		parts := make([]string, len(args))
		for i, a := range args {
			parts[i] = pythonRepr(a)
		}
		s = "(" + strings.Join(parts, ", ") + ")"
	}
	if b.printed += len(s); b.printed > maxPrinted+b.size {
		return jinja.Undefined(), fmt.Errorf("the template prints more than %d bytes", maxPrinted)
	}
	return jinja.NewString(s), nil
}
