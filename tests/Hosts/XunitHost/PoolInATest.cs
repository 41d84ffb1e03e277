using ManyHands;
using Newtonsoft.Json.Linq;
using Xunit;

namespace XunitHost;

public sealed class PoolInATest
{
    [Fact]
    public async Task Call_RunsInAChild()
    {
        await using Pool pool = Pool.Processes(1);
        string answer = await pool.RunAsync(static (string json) => $"{Environment.ProcessId} {JObject.Parse(json)["answer"]}", "{\"answer\": 42}");
        Assert.EndsWith(" 42", answer, StringComparison.Ordinal);
        Assert.False(answer.StartsWith($"{Environment.ProcessId} ", StringComparison.Ordinal));
    }
}
