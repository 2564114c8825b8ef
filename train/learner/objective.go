package learner

import (
	"fmt"

	"github.com/longctx/pipeline/train/policy"

	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graphs read as formulas
)

// Kind says what the loss is made of.
type Kind string

const (
	SFT Kind = "sft" // the negative log probability of the response
	RL  Kind = "rl"  // the clipped surrogate of PPO with given advantages: GRPO and DAPO
)

// Norm says what share of the loss a token of a response has.
type Norm string

const (
	// TokenNorm gives all tokens of the batch the same share: DAPO, arXiv 2503.14476 eq. 12.
	TokenNorm Norm = "token"
	// ResponseNorm gives all responses the same share, split among their tokens: GRPO, arXiv
	// 2402.03300 eq. 3.
	ResponseNorm Norm = "response"
)

// An Objective is what an update makes smaller.
type Objective struct {
	Kind Kind
	Norm Norm // "": TokenNorm

	// RL only. The ratio of new to old probability is clipped to [1-ClipLow, 1+ClipHigh].
	ClipLow, ClipHigh float64
	// KL is the weight of the k3 estimate of the divergence from the reference; 0: none.
	KL float64
	// Temperature divides the logits, as the rollouts' sampling did; 0: 1.
	Temperature float64
}

// Validate finds what makes no sense.
func (o Objective) Validate() error {
	switch {
	case o.Kind != SFT && o.Kind != RL:
		return fmt.Errorf("unknown kind %q; known are sft and rl", o.Kind)
	case o.Norm != "" && o.Norm != TokenNorm && o.Norm != ResponseNorm:
		return fmt.Errorf("unknown loss normalization %q; known are token and response", o.Norm)
	case o.Temperature < 0:
		return fmt.Errorf("temperature is %v", o.Temperature)
	case o.Kind == RL && (o.ClipLow < 0 || o.ClipLow >= 1 || o.ClipHigh < 0):
		return fmt.Errorf("clip is %v below and %v above; want 0 <= low < 1 and 0 <= high", o.ClipLow, o.ClipHigh)
	case o.KL < 0:
		return fmt.Errorf("the weight of the KL term is %v", o.KL)
	}
	return nil
}

// weigher returns the share of each token, such that the shares of all tokens add up to 1.
func (o Objective) weigher(trees []Tree) weigher {
	tokens, responses := 0, 0
	for i := range trees {
		tokens += trees[i].Slots()
		for j := range trees[i].Branches {
			if len(trees[i].Branches[j].Response()) > 0 {
				responses++
			}
		}
	}
	if o.Norm == ResponseNorm {
		return func(tree, branch int) float32 {
			return float32(1 / (float64(responses) * float64(len(trees[tree].Branches[branch].Response()))))
		}
	}
	share := float32(1 / float64(max(1, tokens)))
	return func(int, int) float32 { return share }
}

// The sums that a loss graph returns beside the gradients.
const (
	sumLoss    = iota
	sumEntropy // the rest: over all predicted tokens, each counted once
	sumKL      // k3 to the reference
	sumClip    // tokens whose ratio was clipped
	sumDrift   // k3 to the policy that wrote the responses
	sumCorrect // tokens that are the most likely ones
	sumTokens
	sums
)

// inputs are the graph's parameters, in the order of arrays.tensors.
type inputs struct {
	params  []*Node
	batch   policy.Batch
	sources *Node // [rows*slots]
	targets *Node // [rows*slots]

	weights, advantages, old, reference *Node // [rows*slots]

	temperature, clipLow, clipHigh, kl, onPolicy *Node // scalars
}

func takeInputs(specs int, nodes []*Node) inputs {
	in := inputs{params: nodes[:specs]}
	rest := nodes[specs:]
	for i, p := range []**Node{
		&in.batch.Tokens, &in.batch.Positions, &in.batch.Segments, &in.batch.Branches, &in.sources, &in.targets,
		&in.weights, &in.advantages, &in.old, &in.reference,
		&in.temperature, &in.clipLow, &in.clipHigh, &in.kl, &in.onPolicy,
	} {
		*p = rest[i]
	}
	return in
}

// score runs the policy up to the log probabilities of the predicted tokens.
func score(c policy.Config, in inputs) (p policy.Params, logits, logprobs, entropy *Node) {
	p = policy.NewParams(c, in.params)
	logits = policy.Logits(c, p, policy.Hidden(c, p, in.batch), in.sources)
	logits = Div(logits, in.temperature)
	logprobs, entropy = policy.LogProbs(logits, in.targets)
	return p, logits, logprobs, entropy
}

// lossGraph returns the sums [sums] and the gradient of the loss by each parameter.
func lossGraph(c policy.Config, kind Kind, in inputs) []*Node {
	p, logits, logprobs, entropy := score(c, in)
	used := NotEqual(in.weights, ZerosLike(in.weights))
	logprobs = keep(used, logprobs) // of padding nobody knows how unlikely it is
	count := func(x *Node) *Node { return ReduceAllSum(keep(used, StopGradient(x))) }

	parts := make([]*Node, sums)
	for i := range parts {
		parts[i] = ScalarZero(logprobs.Graph(), logprobs.DType())
	}
	var perToken *Node
	if kind == RL {
		var clipped, kl, drift *Node
		perToken, clipped, kl, drift = surrogate(in, logprobs)
		parts[sumClip], parts[sumKL], parts[sumDrift] = count(clipped), count(kl), count(drift)
		parts[sumEntropy] = count(entropy)
	} else {
		perToken = Neg(logprobs)
		correct := Equal(ArgMax(StopGradient(logits), -1, in.targets.DType()), in.targets)
		parts[sumCorrect] = count(ConvertDType(correct, logprobs.DType()))
	}
	loss := ReduceAllSum(Mul(perToken, in.weights))
	parts[sumLoss], parts[sumTokens] = StopGradient(loss), count(OnesLike(logprobs))
	return append([]*Node{Stack(parts, 0)}, policy.Gradients(c, p, loss)...)
}

// keep is x where used, else 0.
func keep(used, x *Node) *Node { return Where(used, x, ZerosLike(x)) }

// surrogate is the clipped objective of each token, made negative, with its KL term; and what
// is told about it: 1 where the ratio is clipped, the two divergences.
//
//	-min(r A, clip(r, 1-low, 1+high) A) + kl k3(reference)
func surrogate(in inputs, logprobs *Node) (loss, clipped, kl, drift *Node) {
	old := Add(Mul(StopGradient(logprobs), in.onPolicy), Mul(in.old, OneMinus(in.onPolicy)))
	ratio := Exp(Sub(logprobs, old))
	bound := Mul(Min(Max(ratio, OneMinus(in.clipLow)), OnePlus(in.clipHigh)), in.advantages)
	free := Mul(ratio, in.advantages)
	isClipped := LessThan(bound, free)
	kl = k3(logprobs, in.reference)
	loss = Sub(Mul(kl, in.kl), Where(isClipped, StopGradient(bound), free))
	return loss, ConvertDType(isClipped, logprobs.DType()), kl, k3(logprobs, old)
}

// k3 estimates KL(new || other) by samples of new: exp(d) - d - 1 with d = other - new. It is
// never negative (Schulman, "Approximating KL divergence", 2020; arXiv 2402.03300 eq. 4).
func k3(logprobs, other *Node) *Node {
	d := Sub(other, logprobs)
	return AddScalar(Sub(Exp(d), d), -1)
}
