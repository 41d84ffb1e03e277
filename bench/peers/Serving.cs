using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace ManyHands.Bench;

/// <summary>
/// What every contender speaks with the runner: a request is the line <c>what count</c>, the answer one line of JSON with named figures, or
/// <c>{"error": …}</c>, or <c>{"skipped": …}</c>. The contender ends when its standard input does.
/// </summary>
internal static class Serving
{
    private static readonly TimeSpan WarmUpTime = TimeSpan.FromSeconds(1);

    public static async Task<int> RunAsync(IReadOnlyDictionary<string, Serve> measurements)
    {
        HashSet<string> warm = [];
        while (await Console.In.ReadLineAsync() is { } request)
        {
            string[] words = request.Split(' ');
            string answer;
            try
            {
                Serve serve = measurements[words[0]];
                int count = int.Parse(words[1], CultureInfo.InvariantCulture);
                if (serve.WarmsUp && warm.Add(words[0]))
                    await WarmUpAsync(serve, count);
                answer = JsonSerializer.Serialize(await serve.Measure(count));
            }
            catch (MeasurementSkippedException reason)
            {
                answer = JsonSerializer.Serialize(new Dictionary<string, string> { ["skipped"] = reason.Message });
            }
#pragma warning disable CA1031 // Whatever goes wrong is a row of the table.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                answer = JsonSerializer.Serialize(new Dictionary<string, string> { ["error"] = $"{failure.GetType().Name}: {failure.Message}" });
            }

            await Console.Out.WriteLineAsync(answer);
            await Console.Out.FlushAsync();
        }

        return 0;
    }

    // A just-in-time compiler needs some time to notice what is hot, however few microseconds a call takes.
    private static async Task WarmUpAsync(Serve serve, int count)
    {
        Stopwatch watch = Stopwatch.StartNew();
        do
            await serve.Measure(count);
        while (watch.Elapsed < WarmUpTime);
    }
}

/// <summary>A measurement as its contender serves it.</summary>
/// <param name="Measure">Measures, given the count of calls or repeats, and checks what it has computed.</param>
/// <param name="WarmsUp">Whether the first request is preceded by measurements that are thrown away.</param>
internal sealed record Serve(Func<int, Task<Dictionary<string, double>>> Measure, bool WarmsUp);

/// <summary>The measurement is not taken in this run; the message says why.</summary>
internal sealed class MeasurementSkippedException(string message) : Exception(message);

/// <summary>The figures that an answer holds, by name.</summary>
internal static class Figures
{
    /// <summary>The name of a measurement's only figure.</summary>
    public const string Only = "value";

    public static Dictionary<string, double> Of(double value) => new() { [Only] = value };

    public static Dictionary<string, double> Percentiles(double[] samples)
    {
        Array.Sort(samples);
        return new() { ["p50"] = samples[samples.Length / 2], ["p99"] = samples[(int)(samples.Length * 0.99)] };
    }

    public static double Median(IEnumerable<double> samples)
    {
        double[] sorted = [.. samples.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Refuses a measurement whose result is wrong: a figure for work that wasn't done is worth nothing.</summary>
    public static void Check<T>(T expected, T actual, string what)
        where T : IEquatable<T>
    {
        if (!expected.Equals(actual))
            throw new InvalidOperationException($"{what} is {actual}, expected {expected}.");
    }
}
