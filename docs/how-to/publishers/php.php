<?php
// PHP 8 with the extension `redis`. `$save` has the fields of one save with the names of the contract; money is text.
function publish(Redis $redis, array $save, string $stream = 'emr:payments'): string
{
    $names = ['type', 'company_id', 'clinic_id', 'payment_id', 'line_id', 'version'];
    $hash = hash('sha256', implode("\n", array_map(fn ($name) => (string) $save[$name], $names)));
    $id = preg_replace('/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/', '$1-$2-$3-$4-$5', $hash);
    $event = json_encode(['schema' => 1, 'event_id' => $id] + $save, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
    return $redis->xAdd($stream, '*', ['event' => $event]) ?: throw new RuntimeException($redis->getLastError());
}
