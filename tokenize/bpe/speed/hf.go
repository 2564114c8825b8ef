//go:build hf

package main

import "github.com/longctx/pipeline/tokenize/hf"

func init() {
	engines["hf"] = func(tokenizer string) (func() appender, error) {
		t, err := hf.Load(tokenizer)
		if err != nil {
			return nil, err
		}
		return func() appender {
			return func(dst []int32, text string) []int32 {
				ids, err := t.AppendEncode(dst, text, false)
				if err != nil {
					panic(err)
				}
				return ids
			}
		}, nil
	}
}
