// Many callers of one verifier at once. Each line is a token that each of them brings, and each line told is what they got.
//
// Usage: callers PUBLIC_URL HOW_MANY
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

type answer struct {
	Told         *Claims `json:"told,omitempty"`
	Complaint    string  `json:"complaint,omitempty"`
	Milliseconds int64   `json:"milliseconds"`
}

func main() {
	verifier := NewVerifier(os.Args[1]).WithServiceKey(os.Getenv("VESTIBULE_SERVICE_KEY"))
	howMany, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answers := make([]answer, howMany)
		var callers sync.WaitGroup
		for i := range answers {
			callers.Add(1)
			go func(answer *answer) {
				defer callers.Done()
				began := time.Now()
				told, err := verifier.Verify(lines.Text())
				answer.Told, answer.Milliseconds = told, time.Since(began).Milliseconds()
				if err != nil {
					answer.Complaint = err.Error()
				}
			}(&answers[i])
		}
		callers.Wait()
		text, err := json.Marshal(answers)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(text))
	}
}
