// .NET 8 with StackExchange.Redis. `save` has the fields of one save with the names of the contract; money is text.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using StackExchange.Redis;

public static class Publisher
{
    private static readonly string[] Names = ["type", "company_id", "clinic_id", "payment_id", "line_id", "version"];

    public static RedisValue Publish(IDatabase redis, JsonObject save, string stream = "emr:payments")
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join("\n", Names.Select(name => save[name]?.ToString()))));
        save["schema"] = 1;
        save["event_id"] = new Guid(hash.AsSpan(0, 16), bigEndian: true).ToString();
        return redis.StreamAdd(stream, "event", save.ToJsonString());
    }
}
