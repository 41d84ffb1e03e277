namespace ManyHands.Bench;

/// <summary>The command line. A mistake in it is a <see cref="UsageException"/>.</summary>
internal sealed record Options
{
    public const string Usage = """
        usage: bench/run [subject...] [--quick] [--long] [--output file]
          subject    run these only; without one, all, and bench/RESULTS.md is written
          --quick    few repeats of small counts: shows that everything runs, not how fast
          --long     measure growth up to 10^7 calls, however long that takes
          --output   where the table goes; artifacts/bench/results.md unless all subjects run in full
        """;

    public IReadOnlyList<string> Subjects { get; init; } = [];

    public bool Quick { get; init; }

    public bool Long { get; init; }

    public string? Output { get; init; }

    /// <summary>Set in a contender: the one subject whose own side this process measures.</summary>
    public string? Serves { get; init; }

    public static Options Parse(IReadOnlyList<string> arguments)
    {
        Options options = new();
        for (int i = 0; i < arguments.Count; i++)
        {
            options = arguments[i] switch
            {
                "--quick" => options with { Quick = true },
                "--long" => options with { Long = true },
                "--output" => options with { Output = Next(arguments, ref i) },
                "--serve" => options with { Serves = Next(arguments, ref i) },
                ['-', ..] => throw new UsageException($"{arguments[i]} is no option."),
                var subject => options with { Subjects = [.. options.Subjects, subject] },
            };
        }

        return options;
    }

    private static string Next(IReadOnlyList<string> arguments, ref int i) =>
        ++i < arguments.Count ? arguments[i] : throw new UsageException($"{arguments[i - 1]} needs a value.");
}

internal sealed class UsageException(string message) : Exception(message);
