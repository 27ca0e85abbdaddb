package hashid_test

import (
	"fmt"
	"log"

	"github.com/authmw/authmw/hashid"
)

func Example() {
	ids, err := hashid.New("ZEx2mW5HFJ3xS2PzCa8vt08X8sAdE6I4DXzCkLGOQWMuG6J3F0cXatEpkchhVLfv")
	if err != nil {
		log.Fatal(err)
	}
	sub, err := ids.Encode(1, hashid.User)
	fmt.Println(sub, err)
	id, err := ids.Decode("wGH0", hashid.User)
	fmt.Println(id, err)
	_, err = ids.Decode("bQHy", hashid.User)
	fmt.Println(err)
	// Output:
	// wGH0 <nil>
	// 1 <nil>
	// hashid: an ID of another type: group, not user
}
