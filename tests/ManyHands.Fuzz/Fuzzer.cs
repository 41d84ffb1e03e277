using System.Diagnostics;

namespace ManyHands.Fuzz;

/// <summary>
/// Runs a target on many inputs and holds it to its promises: nothing escapes but its refusal, within a time and an allocation that the input's length bounds, and no socket is ever opened.
/// </summary>
internal sealed class Fuzzer(FuzzTarget target, int seed, Coverage? coverage = null)
{
    private const int LargestSeedToMutate = 8 * 1024;
    private const int MostKept = 20_000;
    private static readonly TimeSpan Watch = TimeSpan.FromSeconds(20);
    private readonly List<byte[]> corpus = [];
    private readonly List<byte[]> found = [];
    private byte[]? running;
    private long startedAt;

    /// <summary>With coverage: the inputs of this run, seeds left out, that took a way that none took before.</summary>
    public IReadOnlyList<byte[]> Found => found;

    public long Inputs { get; private set; }

    public long Taken { get; private set; }

    public TimeSpan Longest { get; private set; }

    public long MostAllocated { get; private set; }

    /// <summary>Runs all seeds and then so many inputs, or for so long.</summary>
    /// <returns>What went wrong; null if nothing did.</returns>
    public string? Run(long inputs, TimeSpan time)
    {
        // What is made once is not what an input costs.
        foreach (byte[] warm in target.WarmUp)
            Try(warm);
        target.Rest();

        int sockets = Sockets();
        long beganAt = Stopwatch.GetTimestamp();
        using Timer watch = new(_ => EndIfHanging(), null, Watch, Watch);
        foreach (byte[] given in target.Seeds.Concat(target.Found))
        {
            if (given.Length <= LargestSeedToMutate)
                corpus.Add(given);
            if (RunOne(given) is { } problem)
                return problem;
        }

        Mutator mutator = new(seed, target.Tokens);
        while (Inputs < inputs && Stopwatch.GetElapsedTime(beganAt) < time)
        {
            byte[] input = mutator.Next(corpus);
            if (RunOne(input) is { } problem)
                return problem;
        }

        try
        {
            target.Rest();
        }
        catch (Exception problem)
        {
            return problem.ToString();
        }

        return Sockets() == sockets ? null : "A socket was opened.";
    }

    private void Try(byte[] input)
    {
        try
        {
            target.Run(input);
        }
        catch (Exception failure) when (target.IsRefusal(failure))
        {
        }
    }

    private string? RunOne(byte[] input)
    {
        Inputs++;
        long allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        coverage?.Clear();
        Volatile.Write(ref startedAt, Stopwatch.GetTimestamp());
        Volatile.Write(ref running, input);
        Exception? wrong = null;
        try
        {
            target.Run(input);
            Taken++;
            if (coverage is null && Taken % 16 == 0)
                Keep(input);
        }
        catch (Exception failure)
        {
            if (!target.IsRefusal(failure))
                wrong = failure;
        }

        Volatile.Write(ref running, null);
        if (coverage?.IsNew() == true && Inputs > target.Seeds.Count + target.Found.Count)
        {
            Keep(input);
            found.Add(input);
        }

        TimeSpan took = Stopwatch.GetElapsedTime(startedAt);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
        Longest = took > Longest ? took : Longest;
        MostAllocated = Math.Max(allocated, MostAllocated);
        string? problem = wrong is not null ? wrong.ToString()
            : took > target.LongestRun && TimeOf(input) > target.LongestRun ? $"It took {took.TotalSeconds:N1} s."
            : allocated > target.MostAllocated(input.Length) ? $"{input.Length:N0} bytes made it allocate {allocated:N0}."
            : null;
        return problem is null ? null : $"{problem}\n{Save(input)}";
    }

    private TimeSpan Hang => 4 * target.LongestRun;

    // Once more: the machine may have been busy with something else.
    private TimeSpan TimeOf(byte[] input)
    {
        long beganAt = Stopwatch.GetTimestamp();
        Try(input);
        return Stopwatch.GetElapsedTime(beganAt);
    }

    private void Keep(byte[] input)
    {
        if (corpus.Count < MostKept && input.Length <= LargestSeedToMutate)
            corpus.Add(input);
    }

    private void EndIfHanging()
    {
        if (Volatile.Read(ref running) is not { } input || Stopwatch.GetElapsedTime(Volatile.Read(ref startedAt)) < Hang)
            return;
        Console.Error.WriteLine($"{target.Name}: an input has run for more than {Hang.TotalSeconds} s.\n{Save(input)}");
        Environment.Exit(3);
    }

    private string Save(byte[] input)
    {
        string path = Path.Combine(Path.GetTempPath(), $"fuzz-{target.Name}-{seed}-{Inputs}.hex");
        File.WriteAllText(path, Convert.ToHexStringLower(input));
        return $"The input is in {path}; --input {path} runs it again.";
    }

    private static int Sockets() => !Directory.Exists("/proc/self/fd") ? 0 : Directory.EnumerateFiles("/proc/self/fd").Count(static descriptor =>
        new FileInfo(descriptor).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true);
}
