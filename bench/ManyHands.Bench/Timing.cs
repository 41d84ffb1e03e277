using System.Diagnostics;

namespace ManyHands.Bench;

/// <summary>Stopwatches of this process. Its clock is the machine's monotonic one, so its stamps compare across processes.</summary>
internal static class Timing
{
    public static double Microseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMicroseconds;

    /// <summary>So much per second.</summary>
    public static async Task<double> RateAsync(double amount, Func<Task> work)
    {
        long begin = Stopwatch.GetTimestamp();
        await work();
        return amount / Stopwatch.GetElapsedTime(begin).TotalSeconds;
    }

    /// <summary>Percentiles, in microseconds, of single calls one at a time; each must answer what it was given.</summary>
    public static async Task<Dictionary<string, double>> MicrosecondsEachAsync(int count, Func<int, Task<int>> call)
    {
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
        {
            long begin = Stopwatch.GetTimestamp();
            int result = await call(i);
            samples[i] = Microseconds(begin, Stopwatch.GetTimestamp());
            Figures.Check(i, result, "The result");
        }

        return Figures.Percentiles(samples);
    }
}
