package pretrain_test

import (
	"fmt"

	"netllm/netllm/pretrain"
)

func ExampleEncode() {
	ids := pretrain.Encode("Go")
	fmt.Println(ids, string(pretrain.Decode(ids)))
	// Output: [1 74 114] Go
}
