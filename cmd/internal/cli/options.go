package cli

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// An option is one leaf of Config that has a flag.
type option struct {
	flag, short, def, help string
	sections               []string
	index                  []int // of the field in Config
}

// allOptions walks Config's tags.
func allOptions() []option {
	var out []option
	var walk func(t reflect.Type, index []int)
	walk = func(t reflect.Type, index []int) {
		for i := range t.NumField() {
			f := t.Field(i)
			at := append(slices.Clone(index), i)
			if flag, ok := f.Tag.Lookup("flag"); ok {
				out = append(out, option{flag, f.Tag.Get("short"), f.Tag.Get("default"), f.Tag.Get("help"), strings.Split(f.Tag.Get("sections"), ","), at})
			} else if f.Type.Kind() == reflect.Struct {
				walk(f.Type, at)
			}
		}
	}
	walk(reflect.TypeFor[Config](), nil)
	return out
}

// set reads a value as TOML or a flag would have it.
func (o option) set(c *Config, value string) error {
	v := reflect.ValueOf(c).Elem().FieldByIndex(o.index)
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(value))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(value)
	case reflect.Bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a number", value)
		}
		v.SetInt(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", value)
		}
		v.SetUint(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", value)
		}
		v.SetFloat(x)
	default:
		panic("no flag can be of kind " + v.Kind().String())
	}
	return nil
}

// A flagValue checks a flag when it is parsed, and keeps its text until the file was read.
type flagValue struct {
	o    option
	text string
}

func (f *flagValue) String() string { return f.text }
func (f *flagValue) Set(s string) error {
	f.text = s
	return f.o.set(new(Config), s)
}

func (f *flagValue) Type() string {
	switch reflect.New(reflect.TypeFor[Config]().FieldByIndex(f.o.index).Type).Interface().(type) {
	case *Size:
		return "size"
	case *Share:
		return "share"
	case *Lengths:
		return "lengths"
	case *Duration:
		return "duration"
	case *Decimal:
		return "number"
	case *Names:
		return "names"
	case *bool:
		return "bool"
	case *int, *int64, *uint64, *float64:
		return "number"
	}
	return "text"
}

// Flags are the options of one verb: some sections of Config, and the file.
type Flags struct {
	file        string
	printConfig bool
	inputs      []string
	format      string
	mapping     string
	dataSource  string
	documents   string
	flags       *pflag.FlagSet
}

// AddFlags gives a command the flags of some sections of Config. Section "ingest" also has
// --input, --format, --map, --data-source and --documents.
func AddFlags(cmd *cobra.Command, sections ...string) *Flags {
	f := &Flags{flags: cmd.Flags()}
	for _, o := range allOptions() {
		if !slices.ContainsFunc(o.sections, func(s string) bool { return slices.Contains(sections, s) }) {
			continue
		}
		pf := f.flags.VarPF(&flagValue{o, o.def}, o.flag, o.short, o.help)
		pf.DefValue = o.def
		if (&flagValue{o: o}).Type() == "bool" {
			pf.NoOptDefVal = "true"
		}
	}
	if slices.Contains(sections, "ingest") {
		f.flags.StringArrayVarP(&f.inputs, "input", "i", nil, "file or pattern to read (** for any folders); may be repeated")
		f.flags.StringVar(&f.format, "format", "auto", "format of the inputs")
		f.flags.StringVar(&f.mapping, "map", "", "names of fields in the inputs, such as question=query,context=document.text")
		f.flags.StringVar(&f.dataSource, "data-source", "", "task name of records that do not say one")
		f.flags.StringVar(&f.documents, "documents", "", "folder of the texts, Markdown, HTML and PDF files that the field document of a record names")
	}
	f.flags.StringVar(&f.file, "config", "", "TOML file with the options; flags override it")
	f.flags.BoolVar(&f.printConfig, "print-config", false, "print the effective options as TOML and stop")
	return f
}

// ErrPrinted means that --print-config was asked for and done.
var ErrPrinted = errors.New("printed")

// Load returns the effective options: defaults, then the file, then flags.
func (f *Flags) Load(cmd *cobra.Command) (*Config, error) {
	c := new(Config)
	for _, o := range allOptions() {
		if err := o.set(c, o.def); err != nil && o.def != "" {
			return nil, err
		}
	}
	if f.file != "" {
		if err := readTOML(f.file, c); err != nil {
			return nil, err
		}
		if err := c.Train.complete(f.file); err != nil {
			return nil, err
		}
	}
	var err error
	f.flags.Visit(func(pf *pflag.Flag) {
		if v, ok := pf.Value.(*flagValue); ok && err == nil {
			err = v.o.set(c, v.text)
		}
	})
	if err != nil {
		return nil, Usage(err)
	}
	if err := f.applyInputs(c); err != nil {
		return nil, Usage(err)
	}
	if c.Output == "" && f.flags.Lookup("output") != nil {
		return nil, Usage(errors.New("--output is empty; name a folder"))
	}
	if f.printConfig {
		data, err := toml.Marshal(c)
		if err != nil {
			return nil, err
		}
		if _, err := cmd.OutOrStdout().Write(data); err != nil {
			return nil, err
		}
		return nil, ErrPrinted
	}
	return c, nil
}

// applyInputs turns --input and its companions into inputs, instead of the file's.
func (f *Flags) applyInputs(c *Config) error {
	mapping, err := parseMap(f.mapping)
	if err != nil {
		return err
	}
	if len(f.inputs) > 0 {
		c.Input = nil
		for _, p := range f.inputs {
			c.Input = append(c.Input, InputConfig{Path: p})
		}
	}
	for i := range c.Input {
		in := &c.Input[i]
		if f.flags.Changed("format") || in.Format == "" {
			in.Format = f.format
		}
		if f.flags.Changed("map") {
			in.Map = mapping
		}
		if f.flags.Changed("documents") {
			in.Documents = f.documents
		}
		if f.flags.Changed("data-source") {
			in.DataSource = f.dataSource
		}
	}
	return nil
}

func parseMap(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	m := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		to, from, ok := strings.Cut(pair, "=")
		if !ok || to == "" || from == "" {
			return nil, fmt.Errorf("--map: %q is not field=path", pair)
		}
		m[strings.TrimSpace(to)] = strings.TrimSpace(from)
	}
	return m, nil
}

// readTOML reads a file strictly: a key that Config does not have is an error that names the
// nearest one it has.
func readTOML(file string, c *Config) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return Usage(fmt.Errorf("config: %w", err))
	}
	err = toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(c)
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		e := strict.Errors[0]
		line, _ := e.Position()
		key := strings.Join(e.Key(), ".")
		return WithHint(Usage(fmt.Errorf("config %s:%d: unknown key %q", file, line, key)),
			fmt.Sprintf("the nearest known key is %q", Nearest(key, tomlKeys())))
	}
	if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := bad.Position()
		if key := strings.Join(bad.Key(), "."); key != "" {
			return WithHint(Usage(fmt.Errorf("config %s:%d:%d: key %q does not take this value", file, line, column, key)), "`--print-config` shows each key with a value that it takes")
		}
		return Usage(fmt.Errorf("config %s:%d:%d: %s", file, line, column, strings.TrimPrefix(bad.Error(), "toml: ")))
	}
	if err != nil {
		return Usage(fmt.Errorf("config %s: %w", file, err))
	}
	return nil
}

// Nearest returns the key that is most like a word: as a whole, or in its last part, for a key
// that stands in the wrong table.
func Nearest(word string, keys []string) string {
	last := func(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }
	distance := func(key string) int {
		return min(2*levenshtein.ComputeDistance(word, key), 2*levenshtein.ComputeDistance(last(word), last(key))+1)
	}
	return slices.MinFunc(keys, func(a, b string) int { return distance(a) - distance(b) })
}

// tomlKeys returns every key that the file may have, with dots.
func tomlKeys() []string {
	keys := map[string]bool{}
	var walk func(t reflect.Type, prefix string)
	walk = func(t reflect.Type, prefix string) {
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() {
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
			ft := f.Type
			if ft.Kind() == reflect.Slice || ft.Kind() == reflect.Pointer {
				ft = ft.Elem()
			}
			if f.Anonymous {
				walk(ft, prefix)
				continue
			}
			keys[prefix+name] = true
			if ft.Kind() == reflect.Struct && !reflect.PointerTo(ft).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
				walk(ft, prefix+name+".")
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return slices.Sorted(maps.Keys(keys))
}
