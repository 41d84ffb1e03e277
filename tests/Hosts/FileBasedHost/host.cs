#:project ../../../src/ManyHands/ManyHands.csproj
#:package Newtonsoft.Json

using ManyHands;
using Newtonsoft.Json.Linq;

Console.WriteLine($"MAIN {Environment.ProcessId}");
await using Pool pool = Pool.Processes(1);
Console.WriteLine(await pool.RunAsync(ParseInChild, "{\"answer\": 42}"));
Console.WriteLine(await pool.RunAsync(static (Order order) => order with { Count = order.Count + 1 }, new Order("tea", 1)));

static string ParseInChild(string json) => $"JSON {Environment.ProcessId} {JObject.Parse(json)["answer"]}";

// Default settings of file-based apps switch dynamic code and reflection-based JSON off; records travel all the same.
internal sealed record Order(string Item, int Count);
