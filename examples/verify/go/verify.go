// Verifies the access tokens of a Vestibule site. Needs Go 1.19 or newer and nothing but its standard library.
//
// In a program: keep one Verifier for its whole life, as it holds the copy of the keys.
//
//	verifier := NewVerifier("https://example.com") // the site's VESTIBULE_PUBLIC_URL
//	claims, err := verifier.Verify(token)          // quick; sees no log-out until the token is over
//	who, err := verifier.Ask(token)                // asks the site; a log-out holds at once
//
// With a service key (`service-key add NAME --scope revocations:read`) it sees a log-out within ten seconds, and stays quick:
//
//	verifier := NewVerifier("https://example.com").WithServiceKey(key)
//
// By hand, with a token on each line: go run verify.go https://example.com [token|session|cookies]
// The service key is then taken from VESTIBULE_SERVICE_KEY, where that is set.
package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// The site says of its keys: max-age=300, stale-if-error=300.
	fresh = 300 * time.Second
	kept  = 600 * time.Second
	// Anybody can write a token that names a key nobody has. Between two looks for new keys passes this time.
	pause          = 10 * time.Second
	timeout        = 3 * time.Second
	maxAnswerBytes = 512 * 1024
	// A token has about a third of this.
	maxTokenLength = 2048
	// How far the site's clock may be ahead of this one. exp has no leeway, as at the site itself.
	iatLeeway = 30 * time.Second
	// With a service key a log-out is seen within so long. After half of it the site is asked again, after all of it its answer is
	// waited for, and where there is none, nobody is let in.
	revokedWithin = 10 * time.Second
	// Between two questions of which the first failed passes this time.
	revocationsPause = 1 * time.Second
)

var (
	// ErrRefused says that the token or the session is not good: answer 401.
	ErrRefused = errors.New("refused")
	// ErrUnavailable says that the site cannot be asked, so nobody can tell: answer 503, and let nobody in.
	ErrUnavailable = errors.New("unavailable")
)

func refused(why string) error     { return fmt.Errorf("%w: %s", ErrRefused, why) }
func unavailable(why string) error { return fmt.Errorf("%w: %s", ErrUnavailable, why) }

// Claims are what a token says.
type Claims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	UserID    string `json:"sub"`
	Session   string `json:"sid"`
	IssuedAt  int64  `json:"iat"`
	ExpiresAt int64  `json:"exp"`
	ID        string `json:"jti"`
}

// Verifier verifies the tokens of one site.
type Verifier struct {
	url  string
	http http.Client
	// trying guards triedAt and fetched, which is closed when nobody fetches.
	trying  sync.Mutex
	triedAt time.Time
	fetched chan struct{}
	// copying guards the copy of the keys.
	copying   sync.RWMutex
	keys      map[string]ed25519.PublicKey
	fetchedAt time.Time

	serviceKey string
	// following guards isFollowing, followTriedAt and followed, which is closed when nobody asks.
	following     sync.Mutex
	isFollowing   bool
	followTriedAt time.Time
	followed      chan struct{}
	// telling guards what is known of sessions that ended.
	telling    sync.RWMutex
	cursor     string
	revoked    map[string]int64
	allAt      int64
	followedAt time.Time
}

// NewVerifier takes the public URL of a site.
func NewVerifier(publicURL string) *Verifier {
	// A redirect would take the token to another place.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Verifier{
		url:  strings.TrimRight(publicURL, "/"),
		http: http.Client{Timeout: timeout, CheckRedirect: stay},
	}
}

// WithServiceKey has it refuse the tokens of sessions that ended. To be called before the first use.
func (v *Verifier) WithServiceKey(key string) *Verifier {
	v.serviceKey = key
	return v
}

// Verify tells the claims of a good token. The error is ErrRefused or ErrUnavailable.
func (v *Verifier) Verify(token string) (*Claims, error) {
	parts := strings.Split(token, ".")
	if len(token) > maxTokenLength || len(parts) != 3 {
		return nil, refused("no token")
	}
	var header struct {
		Algorithm string          `json:"alg"`
		Type      string          `json:"typ"`
		KeyID     string          `json:"kid"`
		Critical  json.RawMessage `json:"crit"`
	}
	if err := decode(parts[0], &header); err != nil {
		return nil, err
	}
	// The header is only compared. It chooses no algorithm, and of the keys one of the site's own.
	if header.Algorithm != "EdDSA" || header.Type != "at+jwt" || header.Critical != nil {
		return nil, refused("not an access token of this kind")
	}
	key, err := v.key(header.KeyID)
	if err != nil {
		return nil, err
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), signature) {
		return nil, refused("wrong signature")
	}
	var claims Claims
	if err := decode(parts[1], &claims); err != nil {
		return nil, err
	}
	now := time.Now()
	switch {
	case claims.Issuer != v.url || claims.Audience != v.url:
		return nil, refused("of or for another site")
	case claims.ExpiresAt <= now.Unix():
		return nil, refused("expired")
	case claims.IssuedAt == 0 || claims.IssuedAt > now.Add(iatLeeway).Unix():
		return nil, refused("issued in the future, or nobody knows when")
	case claims.UserID == "" || claims.Session == "":
		return nil, refused("of nobody")
	}
	if v.serviceKey != "" {
		if err := v.refuseRevoked(&claims); err != nil {
			return nil, err
		}
	}
	return &claims, nil
}

// refuseRevoked refuses a token whose session ended, or whose user changed, after it was issued.
func (v *Verifier) refuseRevoked(claims *Claims) error {
	_, age := v.revokedUntil(claims.Session)
	if age >= revokedWithin/2 {
		followed := v.followUnlessJustTried()
		// Who knows enough waits for no answer, and nobody waits for many pages of it.
		if age >= revokedWithin {
			select {
			case <-followed:
			case <-time.After(timeout):
			}
		}
	}
	until, age := v.revokedUntil(claims.Session)
	if age >= revokedWithin {
		return unavailable("the site does not tell which sessions ended")
	}
	if claims.IssuedAt <= until {
		return refused("the session has ended, or its user has changed")
	}
	return nil
}

// revokedUntil tells which tokens of a session are not good, and how old that knowledge is.
func (v *Verifier) revokedUntil(session string) (int64, time.Duration) {
	v.telling.RLock()
	defer v.telling.RUnlock()
	until := v.allAt
	if at := v.revoked[session]; at > until {
		until = at
	}
	return until, time.Since(v.followedAt)
}

// followUnlessJustTried says when it is done. One at a time: the next goes on where this one ends.
func (v *Verifier) followUnlessJustTried() <-chan struct{} {
	v.following.Lock()
	defer v.following.Unlock()
	now := time.Now()
	if !v.isFollowing && now.Sub(v.followTriedAt) >= revocationsPause {
		followed := make(chan struct{})
		v.isFollowing, v.followed = true, followed
		go func() {
			defer close(followed)
			v.follow(now)
			v.following.Lock()
			defer v.following.Unlock()
			v.isFollowing, v.followTriedAt = false, time.Now()
		}()
	}
	return v.followed
}

// follow asks. now is the moment of the first page: what comes to light between two pages may be told the next time only.
func (v *Verifier) follow(now time.Time) {
	revoked, allAt, cursor := map[string]int64{}, v.allAt, v.cursor
	for session, at := range v.revoked {
		revoked[session] = at
	}
	headers := map[string]string{"Authorization": "Bearer " + v.serviceKey}
	for more := true; more; {
		var told struct {
			Revocations []struct {
				Session string    `json:"sid"`
				At      time.Time `json:"at"`
			} `json:"revocations"`
			AllAt   *time.Time `json:"all_at"`
			KeepFor int64      `json:"keep_for"`
			Next    string     `json:"next"`
			More    bool       `json:"more"`
		}
		path := "/api/auth/revocations"
		if cursor != "" {
			path += "?since=" + url.QueryEscape(cursor)
		}
		status, err := v.get(path, headers, &told)
		if err != nil || status != http.StatusOK || told.Next == "" {
			return // What is known is good for a while longer, and what was begun is asked again.
		}
		if told.AllAt != nil && told.AllAt.Unix() > allAt {
			allAt = told.AllAt.Unix()
		}
		for _, one := range told.Revocations {
			if at := one.At.Unix(); at > revoked[one.Session] {
				revoked[one.Session] = at
			}
		}
		for session, at := range revoked {
			if at < time.Now().Unix()-told.KeepFor {
				delete(revoked, session)
			}
		}
		cursor, more = told.Next, told.More
	}
	v.telling.Lock()
	defer v.telling.Unlock()
	v.revoked, v.allAt, v.cursor, v.followedAt = revoked, allAt, cursor, now
}

// Ask lets the site tell the user and the session of a token. The error is ErrRefused or ErrUnavailable.
func (v *Verifier) Ask(token string) (map[string]any, error) {
	return v.ask("Authorization", "Bearer "+token)
}

// AskWithCookies does the same for the Cookie header of a browser, for programs behind the site's own host name.
func (v *Verifier) AskWithCookies(cookies string) (map[string]any, error) {
	return v.ask("Cookie", cookies)
}

// key finds a key of the site by its name.
func (v *Verifier) key(kid string) (ed25519.PublicKey, error) {
	key, age := v.copied(kid)
	if key != nil && age < fresh {
		return key, nil
	}
	fetched := v.fetchUnlessJustTried()
	// Who has a key that may still be used waits for no answer.
	if key == nil || age >= kept {
		<-fetched
	}
	key, age = v.copied(kid)
	if age >= kept {
		return nil, unavailable("the site's keys cannot be fetched")
	}
	if key == nil {
		return nil, refused("signed with a key that the site does not have")
	}
	return key, nil
}

func (v *Verifier) copied(kid string) (ed25519.PublicKey, time.Duration) {
	v.copying.RLock()
	defer v.copying.RUnlock()
	return v.keys[kid], time.Since(v.fetchedAt)
}

// fetchUnlessJustTried says when it is done, within the timeout.
func (v *Verifier) fetchUnlessJustTried() <-chan struct{} {
	v.trying.Lock()
	defer v.trying.Unlock()
	now := time.Now()
	if now.Sub(v.triedAt) >= pause {
		fetched := make(chan struct{})
		v.triedAt, v.fetched = now, fetched
		go func() {
			defer close(fetched)
			v.fetch(now)
		}()
	}
	return v.fetched
}

func (v *Verifier) fetch(now time.Time) {
	var listed struct {
		Keys []struct {
			KeyID string `json:"kid"`
			Curve string `json:"crv"`
			X     string `json:"x"`
		} `json:"keys"`
	}
	status, err := v.get("/.well-known/jwks.json", nil, &listed)
	if err != nil || status != http.StatusOK || len(listed.Keys) == 0 {
		return // The copy is good for a while longer.
	}
	keys := map[string]ed25519.PublicKey{}
	for _, jwk := range listed.Keys {
		x, err := base64.RawURLEncoding.DecodeString(jwk.X)
		if err == nil && jwk.Curve == "Ed25519" && len(x) == ed25519.PublicKeySize {
			keys[jwk.KeyID] = x
		}
	}
	v.copying.Lock()
	defer v.copying.Unlock()
	v.keys, v.fetchedAt = keys, now
}

func (v *Verifier) ask(name, value string) (map[string]any, error) {
	if strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
		return nil, refused("not the text of a header")
	}
	var who map[string]any
	status, err := v.get("/api/auth/session", map[string]string{name: value}, &who)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return nil, refused("the site refuses this session")
	case err != nil:
		return nil, unavailable(err.Error())
	case status != http.StatusOK:
		return nil, unavailable(fmt.Sprintf("the site answers %d", status))
	}
	return who, nil
}

func (v *Verifier) get(path string, headers map[string]string, into any) (int, error) {
	request, err := http.NewRequest(http.MethodGet, v.url+path, nil)
	if err != nil {
		return 0, err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := v.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes))
	if err != nil {
		return answer.StatusCode, err
	}
	return answer.StatusCode, json.Unmarshal(body, into)
}

// decode reads a part of a token.
func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil || json.Unmarshal(text, into) != nil {
		return refused("no token")
	}
	return nil
}

func main() {
	what := "token"
	if len(os.Args) == 3 {
		what = os.Args[2]
	}
	if len(os.Args) != 2 && len(os.Args) != 3 || what != "token" && what != "session" && what != "cookies" {
		fmt.Fprintln(os.Stderr, "usage: verify PUBLIC_URL [token|session|cookies], with one on each line of the standard input")
		os.Exit(1)
	}
	verifier := NewVerifier(os.Args[1]).WithServiceKey(os.Getenv("VESTIBULE_SERVICE_KEY"))
	good, bad := 0, 0
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		var told any
		var err error
		switch what {
		case "token":
			told, err = verifier.Verify(line)
		case "session":
			told, err = verifier.Ask(line)
		case "cookies":
			told, err = verifier.AskWithCookies(line)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			bad++
			continue
		}
		text, _ := json.Marshal(told)
		fmt.Println(string(text))
		good++
	}
	if good == 0 || bad > 0 || lines.Err() != nil {
		os.Exit(1)
	}
}
