<?php

declare(strict_types=1);

namespace Vestibule;

use Exception;
use SodiumException;

/*
 * Verifies the access tokens of a Vestibule site. Needs PHP 8.1 or newer with sodium, which Debian's php-cli and php-fpm bring.
 *
 *     $verifier = new Vestibule\Verifier('https://example.com', '/var/lib/my-app/vestibule-keys.json');
 *     $claims = $verifier->verify($token);   // quick; sees no log-out until the token is over
 *     $who = $verifier->ask($token);         // asks the site; a log-out holds at once
 *
 * The first argument is the site's VESTIBULE_PUBLIC_URL. The second is a file that keeps the copy of the keys between requests,
 * as PHP forgets everything after each. Its folder belongs to your program alone: who can write this file says whose tokens are
 * good. Never a folder like /tmp.
 *
 * With a service key (`service-key add NAME --scope revocations:read`) it sees a log-out within ten seconds, and stays quick. What it
 * knows of sessions that ended is in a file beside that of the keys:
 *
 *     $verifier = new Vestibule\Verifier('https://example.com', '/var/lib/my-app/vestibule-keys.json', serviceKey: $key);
 *
 * By hand, with a token on each line: php verify.php https://example.com [token|session|cookies] [FILE OF THE KEYS]
 * The service key is then taken from VESTIBULE_SERVICE_KEY, where that is set.
 */

// The site says of its keys: max-age=300, stale-if-error=300.
const FRESH_SECONDS = 300;
const KEPT_SECONDS = 600;
// Anybody can write a token that names a key nobody has. Between two looks for new keys passes this time.
const PAUSE_SECONDS = 10;
// While one request looks, others with such a token wait for so long at most, where there is a copy: strangers shall not keep all
// processes waiting.
const UNKNOWN_KEY_SECONDS = 1;
// For one answer of the site, and for who waits for another request that asks.
const TIMEOUT_SECONDS = 3;
const MAX_ANSWER_BYTES = 512 * 1024;
// With a service key a log-out is seen within so many seconds. After half of them one request asks the site again, after all of them every
// request waits for its answer, and where there is none, nobody is let in.
const REVOKED_WITHIN_SECONDS = 10;
// Between two questions of which the first failed passes this time.
const REVOCATIONS_PAUSE_SECONDS = 1;
// A token has about a third of this.
const MAX_TOKEN_LENGTH = 2048;
// How far the site's clock may be ahead of this one. `exp` has no leeway, as at the site itself.
const IAT_LEEWAY_SECONDS = 30;

/** The token or the session is not good: answer 401. */
final class Refused extends Exception
{
}

/** The site cannot be asked, so nobody can tell: answer 503, and let nobody in. */
final class Unavailable extends Exception
{
}

final class Verifier
{
    private string $url;
    /** @var array{keys: array<string, string>, fetched_at: int, tried_at: float} */
    private array $copy = ['keys' => [], 'fetched_at' => 0, 'tried_at' => 0];

    /** @var array{revoked: array<string, int>, all_at: int, cursor: ?string, as_of: int, tried_at: float} */
    private array $followed = ['revoked' => [], 'all_at' => 0, 'cursor' => null, 'as_of' => 0, 'tried_at' => 0];

    public function __construct(
        string $publicUrl,
        private ?string $cacheFile = null,
        #[\SensitiveParameter] private ?string $serviceKey = null,
    ) {
        $this->url = rtrim($publicUrl, '/');
    }

    /**
     * The claims of a good token.
     *
     * @throws Refused|Unavailable
     */
    public function verify(#[\SensitiveParameter] string $token): array
    {
        $parts = explode('.', $token);
        if (strlen($token) > MAX_TOKEN_LENGTH || count($parts) !== 3) {
            throw new Refused('no token');
        }
        $header = self::json(self::bytes($parts[0]));
        // The header is only compared. It chooses no algorithm, and of the keys one of the site's own.
        if (($header['alg'] ?? null) !== 'EdDSA' || ($header['typ'] ?? null) !== 'at+jwt' || isset($header['crit'])) {
            throw new Refused('not an access token of this kind');
        }
        $key = $this->key(is_string($header['kid'] ?? null) ? $header['kid'] : '');
        $signature = self::bytes($parts[2]);
        if (
            strlen($signature) !== SODIUM_CRYPTO_SIGN_BYTES
            || !sodium_crypto_sign_verify_detached($signature, "$parts[0].$parts[1]", $key)
        ) {
            throw new Refused('wrong signature');
        }
        $claims = self::json(self::bytes($parts[1]));
        if (($claims['iss'] ?? null) !== $this->url || ($claims['aud'] ?? null) !== $this->url) {
            throw new Refused('of or for another site');
        }
        if (!is_int($claims['exp'] ?? null) || $claims['exp'] <= time()) {
            throw new Refused('expired');
        }
        if (!is_int($claims['iat'] ?? null) || $claims['iat'] > time() + IAT_LEEWAY_SECONDS) {
            throw new Refused('issued in the future, or nobody knows when');
        }
        if (!is_string($claims['sub'] ?? null) || !is_string($claims['sid'] ?? null)) {
            throw new Refused('of nobody');
        }
        if ($this->serviceKey !== null && $this->isRevoked($claims)) {
            throw new Refused('the session has ended, or its user has changed');
        }
        return $claims;
    }

    /**
     * The user and the session of a token, told by the site.
     *
     * @throws Refused|Unavailable
     */
    public function ask(#[\SensitiveParameter] string $token): array
    {
        return $this->askWith("Authorization: Bearer $token");
    }

    /**
     * The same for the `Cookie` header of a browser, for programs behind the site's own host name.
     *
     * @throws Refused|Unavailable
     */
    public function askWithCookies(#[\SensitiveParameter] string $cookies): array
    {
        return $this->askWith("Cookie: $cookies");
    }

    /** A key of the site, by its name. */
    private function key(string $kid): string
    {
        $this->read();
        $has = isset($this->copy['keys'][$kid]);
        // By the clock on the wall, which other processes share. Where it was put back, the copy counts as old.
        $age = abs(time() - $this->copy['fetched_at']);
        $isFetched = true;
        if (!$has || $age >= FRESH_SECONDS) {
            // Who has a key that may still be used waits for no other request.
            $patience = $has ? 0 : UNKNOWN_KEY_SECONDS;
            $isFetched = $this->fetchUnlessJustTried($age < KEPT_SECONDS ? $patience : TIMEOUT_SECONDS);
        }
        if (abs(time() - $this->copy['fetched_at']) >= KEPT_SECONDS) {
            throw new Unavailable("the site's keys cannot be fetched");
        }
        if (!isset($this->copy['keys'][$kid]) && !$isFetched) {
            throw new Unavailable('the site takes long to tell its keys, and this may be a new one');
        }
        return $this->copy['keys'][$kid] ?? throw new Refused('signed with a key that the site does not have');
    }

    /** One request fetches. Others wait for it, for so many seconds at most. Whether one of them has done it. */
    private function fetchUnlessJustTried(int $patience): bool
    {
        $lock = $this->lock("$this->cacheFile.lock", $patience, $hasWaited);
        $this->read();
        if ($lock === false || $hasWaited || abs(microtime(true) - $this->copy['tried_at']) < PAUSE_SECONDS) {
            return $lock !== false;
        }
        $this->copy['tried_at'] = microtime(true);
        [$status, $body] = $this->get('/.well-known/jwks.json');
        $listed = $status === 200 ? json_decode($body, true) : null;
        $keys = [];
        foreach ($listed['keys'] ?? [] as $jwk) {
            $x = ($jwk['crv'] ?? null) === 'Ed25519' ? self::bytes($jwk['x'] ?? '') : '';
            if (strlen($x) === SODIUM_CRYPTO_SIGN_PUBLICKEYBYTES) {
                $keys[$jwk['kid']] = $x;
            }
        }
        // Else the copy is good for a while longer.
        if ($keys !== []) {
            $this->copy['keys'] = $keys;
            $this->copy['fetched_at'] = time();
        }
        $this->write();
        return true;
    }

    /** Whether the session of a token ended, or its user changed, after the token was issued. */
    private function isRevoked(array $claims): bool
    {
        $this->readFollowed();
        $age = abs(time() - $this->followed['as_of']);
        if ($age >= REVOKED_WITHIN_SECONDS / 2) {
            // Who knows enough waits for no other request.
            $this->followUnlessJustTried($age < REVOKED_WITHIN_SECONDS ? 0 : TIMEOUT_SECONDS);
        }
        if (abs(time() - $this->followed['as_of']) >= REVOKED_WITHIN_SECONDS) {
            throw new Unavailable('the site does not tell which sessions ended');
        }
        return $claims['iat'] <= max($this->followed['all_at'], $this->followed['revoked'][$claims['sid']] ?? 0);
    }

    /** One request asks. Others wait for it, for so many seconds at most. */
    private function followUnlessJustTried(int $patience): void
    {
        $lock = $this->lock("$this->cacheFile.revoked.lock", $patience, $hasWaited);
        $this->readFollowed();
        // The moment of the first page: what comes to light between two pages may be told the next time only.
        $now = time();
        $known = $this->followed;
        $isFresh = abs($now - $known['as_of']) < REVOKED_WITHIN_SECONDS / 2;
        $isJustTried = abs(microtime(true) - $known['tried_at']) < REVOCATIONS_PAUSE_SECONDS;
        if ($lock === false || $hasWaited || $isFresh || $isJustTried) {
            return;
        }
        do {
            $query = $known['cursor'] === null ? '' : '?since=' . rawurlencode($known['cursor']);
            [$status, $body] = $this->get("/api/auth/revocations$query", ["Authorization: Bearer $this->serviceKey"]);
            $told = $status === 200 ? json_decode($body, true) : null;
            if (!isset($told['revocations'], $told['keep_for'], $told['next'], $told['more'])) {
                // What is known is good for a while longer, and what was begun is asked again.
                $this->followed['tried_at'] = microtime(true);
                $this->writeFollowed();
                return;
            }
            if ($told['all_at'] !== null) {
                $known['all_at'] = max($known['all_at'], self::secondsOf($told['all_at']));
            }
            foreach ($told['revocations'] as ['sid' => $sid, 'at' => $at]) {
                $known['revoked'][$sid] = max(self::secondsOf($at), $known['revoked'][$sid] ?? 0);
            }
            $over = time() - $told['keep_for'];
            $known['revoked'] = array_filter($known['revoked'], fn (int $at): bool => $at >= $over);
            $known['cursor'] = $told['next'];
        } while ($told['more']);
        $known['as_of'] = $now;
        $this->followed = $known;
        $this->writeFollowed();
    }

    /**
     * A lock that only one request has, until what is returned is forgotten; false where another one keeps it for longer than so many
     * seconds. Who has waited for another one does not do the same again, but takes what that one brought: else all would queue.
     *
     * @return resource|false|null Null where there is no file, and nobody to wait for.
     */
    private function lock(string $file, int $patience, ?bool &$hasWaited)
    {
        $hasWaited = false;
        if ($this->cacheFile === null) {
            return null;
        }
        $lock = fopen($file, 'c');
        if ($lock === false) {
            throw new Unavailable("$file cannot be made");
        }
        $ends = self::seconds() + $patience;
        while (!flock($lock, LOCK_EX | LOCK_NB)) {
            if (self::seconds() >= $ends) {
                return false;
            }
            $hasWaited = true;
            usleep(20_000);
        }
        return $lock;
    }

    private function readFollowed(): void
    {
        $file = "$this->cacheFile.revoked";
        $followed = json_decode($this->cacheFile !== null && is_file($file) ? file_get_contents($file) : '', true);
        if (is_array($followed)) {
            $this->followed = $followed;
        }
    }

    private function writeFollowed(): void
    {
        if ($this->cacheFile === null) {
            return;
        }
        $file = "$this->cacheFile.revoked";
        if (file_put_contents("$file.new", json_encode($this->followed)) === false || !rename("$file.new", $file)) {
            throw new Unavailable("$file cannot be written");
        }
    }

    private static function secondsOf(string $moment): int
    {
        return strtotime($moment) ?: throw new Unavailable("the site says $moment for a moment");
    }

    private function read(): void
    {
        $text = $this->cacheFile !== null && is_file($this->cacheFile) ? file_get_contents($this->cacheFile) : '';
        $copy = json_decode($text, true);
        if (is_array($copy)) {
            $copy['keys'] = array_map(base64_decode(...), $copy['keys']);
            $this->copy = $copy;
        }
    }

    private function write(): void
    {
        if ($this->cacheFile === null) {
            return;
        }
        $copy = $this->copy;
        $copy['keys'] = array_map(base64_encode(...), $copy['keys']);
        // In one step, so that nobody reads a half.
        $new = "$this->cacheFile.new";
        if (file_put_contents($new, json_encode($copy)) === false || !rename($new, $this->cacheFile)) {
            throw new Unavailable("$this->cacheFile cannot be written");
        }
    }

    private function askWith(string $header): array
    {
        if (preg_match('/^[\x20-\x7e]+$/D', $header) !== 1) {
            throw new Refused('not the text of a header');
        }
        [$status, $body] = $this->get('/api/auth/session', [$header]);
        if ($status === 401 || $status === 403) {
            throw new Refused('the site refuses this session');
        }
        $who = $status === 200 ? json_decode($body, true) : null;
        return is_array($who) ? $who : throw new Unavailable("the site answers $status");
    }

    /** @return array{int, string} The status, 0 where nobody answers, and the body. */
    private function get(string $path, array $headers = []): array
    {
        $http = [
            'header' => $headers,
            'timeout' => TIMEOUT_SECONDS,
            'ignore_errors' => true,
            // A redirect would take the token to another place.
            'follow_location' => 0,
        ];
        $ends = self::seconds() + TIMEOUT_SECONDS;
        $answer = @fopen($this->url . $path, 'r', false, stream_context_create(['http' => $http]));
        if ($answer === false) {
            return [0, ''];
        }
        $body = '';
        // The limit above is one for each piece of the answer, however many there are.
        stream_set_blocking($answer, false);
        while (strlen($body) < MAX_ANSWER_BYTES && !feof($answer)) {
            $more = (string) fread($answer, 8192);
            $body .= $more;
            if (self::seconds() >= $ends) {
                fclose($answer);
                return [0, ''];
            }
            if ($more === '') {
                usleep(5_000);
            }
        }
        preg_match('{^HTTP/\S+ (\d{3})}', stream_get_meta_data($answer)['wrapper_data'][0] ?? '', $status);
        fclose($answer);
        return [(int) ($status[1] ?? 0), $body];
    }

    /** A clock that nobody puts back. */
    private static function seconds(): float
    {
        return hrtime(true) / 1e9;
    }

    private static function bytes(string $part): string
    {
        try {
            return sodium_base642bin($part, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
        } catch (SodiumException) {
            throw new Refused('no token');
        }
    }

    private static function json(string $text): array
    {
        $value = json_decode($text, true, 8);
        return is_array($value) ? $value : throw new Refused('no token');
    }
}

function main(array $arguments): int
{
    $what = $arguments[2] ?? 'token';
    if (count($arguments) < 2 || count($arguments) > 4 || !in_array($what, ['token', 'session', 'cookies'], true)) {
        fwrite(STDERR, "usage: verify.php PUBLIC_URL [token|session|cookies] [FILE], with one on each line of the standard input\n");
        return 1;
    }
    $verifier = new Verifier($arguments[1], $arguments[3] ?? null, getenv('VESTIBULE_SERVICE_KEY') ?: null);
    $good = $bad = 0;
    while (($line = fgets(STDIN)) !== false) {
        $line = trim($line);
        try {
            $told = match ($what) {
                'token' => $verifier->verify($line),
                'session' => $verifier->ask($line),
                'cookies' => $verifier->askWithCookies($line),
            };
            echo json_encode($told, JSON_UNESCAPED_SLASHES), "\n";
            $good++;
        } catch (Refused | Unavailable $error) {
            $word = $error instanceof Refused ? 'Refused' : 'Unavailable';
            fwrite(STDERR, "$word: {$error->getMessage()}\n");
            $bad++;
        }
    }
    return $good > 0 && $bad === 0 ? 0 : 1;
}

if (PHP_SAPI === 'cli' && realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    exit(main($argv));
}
