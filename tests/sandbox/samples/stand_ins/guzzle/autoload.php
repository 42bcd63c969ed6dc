<?php
// Stands in for Guzzle where that is not installed: a client with base_uri and headers, get(), and an
// exception for a 4xx or 5xx, which carries the response. Nothing else.

namespace GuzzleHttp;

class Response
{
    public function __construct(private int $status, private string $body)
    {
    }

    public function getStatusCode(): int
    {
        return $this->status;
    }

    public function getBody(): string
    {
        return $this->body;
    }
}

class Client
{
    public function __construct(private array $config)
    {
    }

    public function get(string $path): Response
    {
        $lines = [];
        foreach ($this->config['headers'] as $name => $value) {
            $lines[] = "{$name}: {$value}";
        }
        $context = stream_context_create(
            ['http' => ['method' => 'GET', 'header' => $lines, 'ignore_errors' => true, 'timeout' => 10]]
        );
        $body = file_get_contents($this->config['base_uri'] . $path, false, $context);
        $status = (int) explode(' ', $http_response_header[0])[1];
        $response = new Response($status, (string) $body);
        if ($status >= 400) {
            throw new Exception\RequestException("Client error: {$status}", $response);
        }
        return $response;
    }
}

namespace GuzzleHttp\Exception;

class RequestException extends \RuntimeException
{
    public function __construct(string $message, private ?\GuzzleHttp\Response $response)
    {
        parent::__construct($message);
    }

    public function hasResponse(): bool
    {
        return $this->response !== null;
    }

    public function getResponse(): ?\GuzzleHttp\Response
    {
        return $this->response;
    }
}
