// Command pipeline turns long documents with questions into a length-phased,
// difficulty-aware curriculum for reinforcement learning of long-context reasoning.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/longctx/pipeline/cmd/internal/cli"
)

func main() { os.Exit(run()) }

// run is main with a status, so that the script tests can be the program.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // the second signal kills
	}()
	root := newRoot()
	cmd, err := root.ExecuteContextC(ctx)
	if errors.Is(err, cli.ErrUsage) {
		err = cli.WithHint(err, "see `"+cmd.CommandPath()+" --help`")
	}
	cli.Report(os.Stderr, err)
	return cli.Status(err)
}
