// Command speed times one cold pass of a tokenizer over the "context" of every line of a JSONL file: a fresh process, every
// text once, all ids kept. It prints one JSON line, like the Python rivals of peers.py, with CPU time that covers all threads.
//
//	speed ENGINE in.jsonl TOKENIZER THREADS
//
// ENGINE is bpe; tiktoken-go, for the tokenizers that it embeds; or hf (daulet/tokenizers), in a build with the tag hf.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pkoukk/tiktoken-go"
	loader "github.com/pkoukk/tiktoken-go-loader"

	"github.com/longctx/pipeline/tokenize/bpe"
)

// appender appends the ids of a text. Each thread has its own.
type appender func(dst []int32, text string) []int32

// engines make an appender for each thread.
var engines = map[string]func(tokenizer string) (func() appender, error){
	"bpe":         openBPE,
	"tiktoken-go": openTiktokenGo,
}

func openBPE(tokenizer string) (func() appender, error) {
	load := bpe.Load
	if slices.Contains(bpe.Names(), tokenizer) {
		load = bpe.Named
	}
	t, err := load(tokenizer)
	if err != nil {
		return nil, err
	}
	return func() appender {
		return func(dst []int32, text string) []int32 { return t.AppendEncode(dst, text, bpe.Options{}) }
	}, nil
}

func openTiktokenGo(tokenizer string) (func() appender, error) {
	tiktoken.SetBpeLoader(loader.NewOfflineLoader())
	t, err := tiktoken.GetEncoding(tokenizer)
	if err != nil {
		return nil, err
	}
	return func() appender {
		return func(dst []int32, text string) []int32 {
			for _, id := range t.Encode(text, []string{"all"}, nil) {
				dst = append(dst, int32(id))
			}
			return dst
		}
	}, nil
}

type result struct {
	Engine    string  `json:"engine"`
	Threads   int     `json:"threads"`
	MB        float64 `json:"mb"`
	Tokens    int     `json:"tokens"`
	LoadMS    float64 `json:"load_ms"`
	WallS     float64 `json:"wall_s"`
	MBPerS    float64 `json:"mb_per_s"`
	MBPerCPUS float64 `json:"mb_per_cpu_s"`
	Allocs    uint64  `json:"allocs"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 || engines[args[0]] == nil {
		return errors.New("usage: speed ENGINE in.jsonl TOKENIZER THREADS")
	}
	threads, err := strconv.Atoi(args[3])
	if err != nil || threads < 1 {
		return fmt.Errorf("threads: want a number from 1 on, not %q", args[3])
	}
	runtime.GOMAXPROCS(threads)
	docs, size, err := read(args[1])
	if err != nil {
		return err
	}
	start := time.Now()
	open, err := engines[args[0]](args[2])
	if err != nil {
		return err
	}
	load := time.Since(start)
	runtime.GC()
	if path := os.Getenv("CPUPROFILE"); path != "" {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, cpu := time.Now(), cpuTime()
	tokens := encode(docs, size, open, threads)
	wall, used := time.Since(start), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	mb := float64(size) / 1e6
	return json.NewEncoder(os.Stdout).Encode(result{
		args[0], threads, round(mb, 1), tokens, round(load.Seconds()*1e3, 1), round(wall.Seconds(), 3),
		round(mb/wall.Seconds(), 2), round(mb/used.Seconds(), 2), after.Mallocs - before.Mallocs,
	})
}

func read(path string) (docs []string, size int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<30)
	for lines.Scan() {
		var row struct{ Context string }
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return nil, 0, err
		}
		docs = append(docs, strings.Clone(row.Context))
		size += len(row.Context)
	}
	return docs, size, lines.Err()
}

// encode encodes every document once and keeps all ids until the end.
func encode(docs []string, size int, open func() appender, threads int) int {
	var next atomic.Int64
	ids := make([][]int32, threads)
	var wg sync.WaitGroup
	for i := range threads {
		wg.Go(func() {
			enc := open()
			ids[i] = make([]int32, 0, size/threads/3) // to grow it would be most of the time
			for {
				n := int(next.Add(1)) - 1
				if n >= len(docs) {
					return
				}
				ids[i] = enc(ids[i], docs[n])
			}
		})
	}
	wg.Wait()
	n := 0
	for _, part := range ids {
		n += len(part)
	}
	return n
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func round(v float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(v*p) / p
}
