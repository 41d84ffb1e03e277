using System.Diagnostics;

namespace ManyHands.Bench.JsonRpc;

/// <summary>Measures calls to two such children.</summary>
internal sealed class Caller
{
    private readonly List<(Process Process, StreamJsonRpc.JsonRpc Rpc)> children = [];

    public async Task<int> ServeAsync()
    {
        int status = await Serving.RunAsync(new Dictionary<string, Serve>
        {
            ["one"] = new(OneAsync, WarmsUp: true),
            ["outstanding"] = new(OutstandingAsync, WarmsUp: true),
        });
        foreach ((Process process, StreamJsonRpc.JsonRpc rpc) in children)
        {
            rpc.Dispose();
            process.StandardInput.Close();
            await process.WaitForExitAsync();
            process.Dispose();
        }

        return status;
    }

    private StreamJsonRpc.JsonRpc Child(int number)
    {
        while (children.Count <= number)
        {
            ProcessStartInfo start = new(Environment.ProcessPath!, ["exec", typeof(Caller).Assembly.Location, "worker"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
            Process process = Process.Start(start)!;
            children.Add((process, StreamJsonRpc.JsonRpc.Attach(process.StandardInput.BaseStream, process.StandardOutput.BaseStream)));
        }

        return children[number].Rpc;
    }

    private async Task<Dictionary<string, double>> OneAsync(int count)
    {
        StreamJsonRpc.JsonRpc child = Child(0);
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
        {
            long begin = Stopwatch.GetTimestamp();
            int result = await child.InvokeAsync<int>(nameof(Worker.Echo), i);
            samples[i] = Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
            Figures.Check(i, result, "The result");
        }

        return Figures.Percentiles(samples);
    }

    private async Task<Dictionary<string, double>> OutstandingAsync(int count)
    {
        StreamJsonRpc.JsonRpc[] both = [Child(0), Child(1)];
        long begin = Stopwatch.GetTimestamp();
        int[] results = await Task.WhenAll(Enumerable.Range(0, count).Select(i => both[i % both.Length].InvokeAsync<int>(nameof(Worker.Echo), i)));
        double rate = count / Stopwatch.GetElapsedTime(begin).TotalSeconds;
        Figures.Check((long)count * (count - 1) / 2, results.Sum(each => (long)each), "The sum of all results");
        return Figures.Of(rate);
    }
}
