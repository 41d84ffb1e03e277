using System.Diagnostics;

namespace ManyHands.Bench.JsonLines;

/// <summary>Measures calls to two such children.</summary>
internal sealed class Caller
{
    private Child[]? children;

    private Child[] Children => children ??= [new Child(), new Child()];

    public async Task<int> ServeAsync()
    {
        int status = await Serving.RunAsync(new Dictionary<string, Serve>
        {
            ["one"] = new(OneAsync, WarmsUp: true),
            ["outstanding"] = new(OutstandingAsync, WarmsUp: true),
        });
        foreach (Child child in children ?? [])
            child.Dispose();
        return status;
    }

    private async Task<Dictionary<string, double>> OneAsync(int count)
    {
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
        {
            long begin = Stopwatch.GetTimestamp();
            int result = await Children[0].CallAsync("echo", i);
            samples[i] = Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
            Figures.Check(i, result, "The result");
        }

        return Figures.Percentiles(samples);
    }

    private async Task<Dictionary<string, double>> OutstandingAsync(int count)
    {
        Child[] both = Children;
        long begin = Stopwatch.GetTimestamp();
        int[] results = await Task.WhenAll(Enumerable.Range(0, count).Select(i => both[i % both.Length].CallAsync("echo", i)));
        double rate = count / Stopwatch.GetElapsedTime(begin).TotalSeconds;
        Figures.Check((long)count * (count - 1) / 2, results.Sum(each => (long)each), "The sum of all results");
        return Figures.Of(rate);
    }
}
