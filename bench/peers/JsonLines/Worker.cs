using System.Text.Json;

namespace ManyHands.Bench.JsonLines;

internal sealed record Request(int Id, string Function, int Argument);

internal sealed record Response(int Id, int Result);

/// <summary>The child as it is usually written: a request per line of standard input, a response per line of standard output.</summary>
internal static class Worker
{
    public static async Task<int> RunAsync()
    {
        while (await Console.In.ReadLineAsync() is { } line)
        {
            Request request = JsonSerializer.Deserialize<Request>(line)!;
            int result = request.Function switch
            {
                "echo" => request.Argument,
                _ => throw new InvalidOperationException($"There is no function {request.Function}."),
            };
            await Console.Out.WriteLineAsync(JsonSerializer.Serialize(new Response(request.Id, result)));
        }

        return 0;
    }
}
