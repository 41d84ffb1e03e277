using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;

namespace ManyHands.Bench.JsonLines;

/// <summary>The parent's end: requests are numbered, and whoever reads a response completes the request of its number.</summary>
internal sealed class Child : IDisposable
{
    private readonly Process process;
    private readonly SemaphoreSlim writing = new(1);
    private readonly ConcurrentDictionary<int, TaskCompletionSource<int>> pending = [];
    private int lastId;

    public Child()
    {
        ProcessStartInfo start = new(Environment.ProcessPath!, ["exec", typeof(Child).Assembly.Location, "worker"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        process = Process.Start(start)!;
        _ = ReadAsync();
    }

    public async Task<int> CallAsync(string function, int argument)
    {
        int id = Interlocked.Increment(ref lastId);
        TaskCompletionSource<int> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        pending[id] = completion;
        string line = JsonSerializer.Serialize(new Request(id, function, argument));
        await writing.WaitAsync();
        try
        {
            await process.StandardInput.WriteLineAsync(line);
            await process.StandardInput.FlushAsync();
        }
        finally
        {
            writing.Release();
        }

        return await completion.Task;
    }

    public void Dispose()
    {
        process.StandardInput.Close();
        process.WaitForExit();
        process.Dispose();
        writing.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            Response response = JsonSerializer.Deserialize<Response>(line)!;
            if (pending.TryRemove(response.Id, out TaskCompletionSource<int>? completion))
                completion.SetResult(response.Result);
        }

        foreach (TaskCompletionSource<int> each in pending.Values)
            each.TrySetException(new InvalidOperationException("The child has ended."));
    }
}
