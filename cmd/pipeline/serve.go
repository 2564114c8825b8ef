package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/stream/groups"
	"github.com/longctx/pipeline/sample/stream/service"
)

// tokenVariable is the environment variable that may hold the token.
const tokenVariable = "PIPELINE_TOKEN"

// gcPercent is tighter than usual: nearly all that a server allocates are messages that are
// sent and gone, and it shares its machine with a trainer.
const gcPercent = 40

// server is the verb serve with its options.
type server struct {
	listen, tokenFile, certificate, key string
	plans                               []string
	maxMessage, maxBatch                cli.Size
	memory, waiting                     cli.Size
	noCache                             bool
	options                             service.Options
}

func newServe(g *globals) *cobra.Command {
	s := server{maxMessage: service.DefaultMaxMessage, maxBatch: service.DefaultMaxBatch, memory: service.DefaultMemory, waiting: groups.DefaultMemory}
	cmd := &cobra.Command{
		Use:     "serve DATASET [flags]",
		GroupID: "look",
		Short:   "Batches out and outcomes in, over Arrow Flight",
		Long: `Serves the plans of a dataset over Arrow Flight: DoGet gives batches, DoPut takes outcomes
into the reward history before it acknowledges them, DoAction answers health, state,
counters, resume, flush and plan, which draws the next phase from the history as it stands.
Rollouts that are scored one at a time become outcomes here, when their group is whole. Tickets
carry everything: a client that comes back with its cursor goes on exactly there.

Other machines are served only with a token and TLS. The token is a line in --token-file, or
the environment variable ` + tokenVariable + `. The address that is listened at is the first line of
standard output.`,
		Example: `  pipeline serve data --plan plan.parquet --listen 127.0.0.1:8815
  PIPELINE_TOKEN=... pipeline serve data --listen 0.0.0.0:8815 --tls-cert cert.pem --tls-key key.pem`,
		Args: oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd, g, args[0]) },
	}
	f, o := cmd.Flags(), &s.options
	f.StringVar(&s.listen, "listen", "127.0.0.1:8815", "address to listen at; port 0: any that is free")
	f.StringArrayVar(&s.plans, "plan", nil, "plan to serve under its base name, besides those in DATASET/plans; may be repeated")
	f.StringVar(&s.tokenFile, "token-file", "", "file that holds the token which clients must send")
	f.StringVar(&s.certificate, "tls-cert", "", "PEM file with the certificate chain")
	f.StringVar(&s.key, "tls-key", "", "PEM file with the private key")
	f.IntVar(&o.MaxClients, "max-clients", service.DefaultMaxClients, "streams and uploads at once")
	f.IntVar(&o.MaxConnections, "max-connections", service.DefaultMaxConnections, "connections at once; those over it are closed")
	f.Var(sizeFlag{&s.maxMessage}, "max-message", "largest message of a client")
	f.Var(sizeFlag{&s.maxBatch}, "max-batch", "largest batch for a client")
	f.Var(sizeFlag{&s.memory}, "memory", "batches made and not sent, of all clients together")
	f.Var(sizeFlag{&s.waiting}, "rollout-memory", "rollouts whose groups are incomplete, of all clients together")
	f.DurationVar(&o.Grace, "grace", service.DefaultGrace, "time for calls in hand after an interrupt")
	f.BoolVar(&s.noCache, "no-cache", false, "neither write nor read DATASET/cache")
	return cmd
}

func (s *server) run(cmd *cobra.Command, g *globals, dir string) error {
	if err := s.secure(); err != nil {
		return err
	}
	o := &s.options
	switch {
	case o.MaxClients < 1 || o.MaxConnections < 1:
		return cli.Usage(errors.New("serve: --max-clients and --max-connections are at least 1"))
	case o.Grace < 0:
		return cli.Usage(errors.New("serve: --grace is not negative"))
	}
	o.MaxMessage, o.MaxBatch, o.Memory, o.Waiting = int(s.maxMessage), int64(s.maxBatch), int64(s.memory), int64(s.waiting)
	o.FS = dataset.Dir(dir)
	if !g.quiet {
		o.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
	}
	src, err := openSource(cmd, g, dir, !s.noCache)
	if err != nil {
		return err
	}
	defer src.Close()
	o.Source = src
	if err := s.findPlans(src.Manifest()); err != nil {
		return err
	}
	if o.History, err = openHistory(dir); err != nil {
		return err
	}
	defer o.History.Close()
	debug.SetGCPercent(gcPercent)
	lis, err := net.Listen("tcp", s.listen)
	if err != nil {
		return cli.Usage(fmt.Errorf("serve: --listen: %w", err))
	}
	if err := o.Safe(lis.Addr()); err != nil {
		return errors.Join(cli.WithHint(cli.Usage(fmt.Errorf("serve: %s: %w", lis.Addr(), err)),
			"listen at 127.0.0.1, or give --token-file (or "+tokenVariable+"), --tls-cert and --tls-key"), lis.Close())
	}
	if err := s.announce(cmd, g, lis.Addr()); err != nil {
		return errors.Join(err, lis.Close())
	}
	return service.New(*o).Serve(cmd.Context(), lis)
}

// announce says where the server listens, for those who start it with port 0.
func (s *server) announce(cmd *cobra.Command, g *globals, at net.Addr) error {
	scheme := "grpc"
	if s.options.TLS != nil {
		scheme = "grpc+tls"
	}
	if g.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"message_type": "serve", "location": scheme + "://" + at.String()})
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s://%s\n", scheme, at)
	return err
}

// secure reads the token and the certificate.
func (s *server) secure() error {
	o := &s.options
	o.Token = strings.TrimSpace(os.Getenv(tokenVariable))
	if s.tokenFile != "" {
		data, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return cli.Usage(fmt.Errorf("serve: --token-file: %w", err))
		}
		o.Token = strings.TrimSpace(string(data))
		if o.Token == "" {
			return cli.Usage(fmt.Errorf("serve: --token-file: %s is empty", s.tokenFile))
		}
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }) { // no header can hold it
		return cli.Usage(errors.New("serve: the token is one line of printable ASCII without spaces"))
	}
	if (s.certificate == "") != (s.key == "") {
		return cli.Usage(errors.New("serve: --tls-cert and --tls-key belong together"))
	}
	if s.certificate != "" {
		pair, err := tls.LoadX509KeyPair(s.certificate, s.key)
		if err != nil {
			return cli.Usage(fmt.Errorf("serve: --tls-cert, --tls-key: %w", err))
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	return nil
}

func (s *server) findPlans(m *dataset.Manifest) error {
	s.options.Plans = map[string]service.PlanFile{}
	for _, name := range s.plans {
		if _, err := openPlanOf(m, name); err != nil {
			return err
		}
		base := filepath.Base(name)
		if _, twice := s.options.Plans[base]; twice {
			return cli.Usage(fmt.Errorf("serve: --plan: two plans are called %s", base))
		}
		s.options.Plans[base] = service.PlanFile{FS: dataset.Dir(filepath.Dir(name)), Name: base}
	}
	return nil
}
