// Package cli is where the program meets a person: options, exit statuses, errors with
// hints, progress, tables.
//
// Its rules: data goes to standard output and everything else to standard error. A bar is
// drawn only on a terminal; elsewhere one line is logged every 30 s. Each option is declared
// once, in Config, from whose tags come the TOML key, the flag, the default and the help.
package cli
