namespace ManyHands.Bench.Running;

/// <summary>A program that measures: our own side or a peer. Each is a process of its own, so that none inherits another's heap or threads.</summary>
/// <param name="Name">As the table calls it.</param>
/// <param name="Command">The program and its arguments.</param>
internal sealed record Contender(string Name, IReadOnlyList<string> Command)
{
    /// <summary>Whether each measurement gets a new process.</summary>
    public bool IsFresh { get; private init; }

    public static Contender Python(string name, string script) => new(name, [Repository.Python, Repository.Script(script)]);

    public static Contender Floor { get; } = new("C", [Repository.Floor]);

    public static Contender DotNet(string name, string project) => new(name, [Repository.DotNet, "exec", Repository.Peer(project)]);

    public Contender Named(string name) => this with { Name = name };

    public Contender Fresh() => this with { IsFresh = true };

    /// <summary>The last core: the first one is where most interrupts go.</summary>
    public Contender OnOneCore() =>
        this with { Name = Name + ", one core", Command = ["taskset", "-c", $"{Environment.ProcessorCount - 1}", .. Command] };

    // Two that run the same command share a process.
    public string Key => (IsFresh ? "fresh " : "") + string.Join(' ', Command);
}
