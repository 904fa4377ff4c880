<?php
// A day pass over plain JSON, with PHP alone: deadline, retries, and errors that are read.

declare(strict_types=1);

const ATTEMPTS = 4;
const SECONDS = 10;

/** The HTTP status and the decoded answer; status 0 where there was none. */
function call(array $request): array
{
    $url = 'http://' . (getenv('TOKEN_SERVICE_ADDRESS') ?: 'localhost:8080')
        . '/ucs.v2.MerchantAuthenticationService/CreateAccessToken';
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => [
            'content-type: application/json',
            'x-connector-auth: ' . json_encode(['Stripe' => ['api_key' => getenv('STRIPE_API_KEY')]]),
        ],
        'content' => json_encode($request),
        'timeout' => SECONDS,
        'ignore_errors' => true, // the body of an error is wanted, too
    ]]);
    $body = @file_get_contents($url, false, $context);
    $status = $body === false ? 0 : (int) explode(' ', $http_response_header[0])[1];
    return [$status, $body === false ? [] : json_decode($body, true)];
}

/** The reason, what to do next, and each field at fault (google.rpc, AIP-193): `debug` has each detail as JSON. */
function explain(array $error): string
{
    $words = [strtoupper($error['code'] ?? 'no answer')];
    foreach ($error['details'] ?? [] as ['type' => $type, 'debug' => $detail]) {
        if ($type === 'google.rpc.ErrorInfo') {
            array_push($words, $detail['reason'], $detail['metadata']['guidance']);
        } elseif ($type === 'google.rpc.BadRequest') {
            foreach ($detail['fieldViolations'] as $fault) {
                $words[] = "{$fault['field']}: {$fault['description']}";
            }
        }
    }
    return implode(' | ', $words);
}

function mint(array $featureData): void
{
    $request = [
        'merchant_access_token_id' => 'order-' . bin2hex(random_bytes(8)), // the same for each attempt
        'connector' => 'STRIPE',
        'connector_feature_data' => (object) $featureData,
        'test_mode' => true,
    ];
    for ($attempt = 1; ; $attempt++) {
        [$status, $answer] = call($request);
        if (!in_array($status, [0, 503], true) || $attempt === ATTEMPTS) {
            break;
        }
        usleep(100_000 * 2 ** $attempt);
    }
    if ($status !== 200) {
        echo 'error: ', explain($answer), "\n";
    } elseif ($answer['status'] === 'SUCCESS') {
        printf("token: %s, %s, %d s, %d characters\n", $answer['audience'], $answer['grant'],
            $answer['lifetime_seconds'], strlen($answer['access_token']));
    } else {
        printf("refused: %s %d | %s\n", $answer['status'], $answer['status_code'],
            $answer['error']['connector_details']['message'] ?? '');
    }
}

mint([]);
mint(['custommer' => 'cus_1']);
