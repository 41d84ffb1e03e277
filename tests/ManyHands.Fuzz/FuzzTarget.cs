namespace ManyHands.Fuzz;

/// <summary>Something that takes bytes from strangers. To add one: derive from this, and name it in <see cref="All"/>.</summary>
internal abstract class FuzzTarget
{
    public static readonly IReadOnlyList<FuzzTarget> All =
    [
        new PickleTarget(), new FramesTarget(), new PythonHandshakeTarget(), new ManagerHandshakeTarget(), new ManagerRequestsTarget(),
        new ManagerNumbersTarget(), new ManagerAnswersTarget(),
        .. OperatingSystem.IsLinux() ? (FuzzTarget[])[new HostileWorkerTarget()] : [],
    ];

    /// <summary>What it is called on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>What mutation begins with: valid inputs, and those that are known to be hostile.</summary>
    public abstract IReadOnlyList<byte[]> Seeds { get; }

    /// <summary>Which of them are run once before anything is measured.</summary>
    public virtual IReadOnlyList<byte[]> WarmUp => Seeds;

    /// <summary>Inputs that took ways of their own in longer runs, and are seeds too: a line of hex each.</summary>
    public IReadOnlyList<byte[]> Found => File.Exists(FoundPath) ? [.. File.ReadLines(FoundPath).Select(Convert.FromHexString)] : [];

    private string FoundPath => Path.Combine(AppContext.BaseDirectory, "Found", $"{Name}.txt");

    /// <summary>Pieces of the format, put in as a whole.</summary>
    public abstract IReadOnlyList<byte[]> Tokens { get; }

    /// <summary>How long one input may take.</summary>
    public virtual TimeSpan LongestRun => TimeSpan.FromSeconds(5);

    /// <summary>How many bytes one input of this length may make the target allocate.</summary>
    public virtual long MostAllocated(int length) => (3L << 20) + (300L * length);

    /// <summary>Whether this is how the target refuses an input.</summary>
    public abstract bool IsRefusal(Exception failure);

    /// <summary>Takes an input, on this thread only, and throws if it is refused or if something is wrong.</summary>
    public abstract void Run(byte[] input);

    /// <summary>Puts away what it keeps between inputs, and throws if something is left over.</summary>
    public virtual void Rest()
    {
    }
}
