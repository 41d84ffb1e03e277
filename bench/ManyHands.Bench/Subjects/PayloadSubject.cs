using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>Bytes as an argument, and as a result; one call at a time.</summary>
internal sealed class PayloadSubject : Subject
{
    private const int Large = 64 << 20;

    public PayloadSubject(Options options)
        : base("payload", options)
    {
        Contender python = Contender.Python("multiprocessing.Pool.apply", "pool.py");
        Compare("64MiB", Large, 5, Goal.AtLeast(8));
        Compare("1MiB", 1 << 20, 50);
        Compare("1KiB", 1 << 10, 1_000);

        void Compare(string name, int size, int count, Goal? goal = null)
        {
            Measurement ourArgument = Measure(Ours, $"argument-{name}", count, repeats => ArgumentAsync(size, repeats));
            Measurement argument = Measure(python, $"argument-{name}", count);
            Measurement ourResult = Measure(Ours, $"result-{name}", count, repeats => ResultAsync(size, repeats));
            Measurement result = Measure(python, $"result-{name}", count);
            this.Compare($"{name} argument", "GB/s", ourArgument.Value, argument.Value, goal);
            this.Compare($"{name} result", "GB/s", ourResult.Value, result.Value, goal);
            if (size == Large)
                LargeArgument = ourArgument.Value;
        }
    }

    public Metric LargeArgument { get; private set; }

    private async Task<Dictionary<string, double>> ArgumentAsync(int size, int count)
    {
        Pool pool = await TwoProcessesAsync();
        byte[] payload = new byte[size];
        Array.Fill(payload, (byte)'x');
        return await MedianAsync(size, count, () => pool.RunAsync(Work.Length, payload));
    }

    private async Task<Dictionary<string, double>> ResultAsync(int size, int count)
    {
        Pool pool = await TwoProcessesAsync();
        return await MedianAsync(size, count, async () => (await pool.RunAsync(Work.Produce, size)).Length);
    }

    private static async Task<Dictionary<string, double>> MedianAsync(int size, int count, Func<Task<int>> transfer)
    {
        double[] rates = new double[count];
        for (int i = 0; i < count; i++)
            rates[i] = await Timing.RateAsync(size / 1e9, async () => Figures.Check(size, await transfer(), "The length that arrived"));
        return Figures.Of(Figures.Median(rates));
    }
}
