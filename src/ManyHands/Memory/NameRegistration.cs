using System.Collections.Concurrent;
using ManyHands.Platform;

namespace ManyHands.Memory;

/// <summary>This process's entry in the file of a name, for one block.</summary>
internal sealed class NameRegistration(NameDirectory directory, string name)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan PatienceAtEnd = TimeSpan.FromMilliseconds(100);

    /// <summary>Whoever ends without having disposed of what it has leaves nothing either.</summary>
    private static readonly ConcurrentDictionary<ulong, NameRegistration> All = new();

    static NameRegistration() => Guarded.OnProcessExit(GuardedEntry.ProcessExit, static () =>
    {
        foreach (NameRegistration one in All.Values)
            one.Leave(PatienceAtEnd);
    });

    public ulong Token { get; } = (ulong)Random.Shared.NextInt64() + 1;

    public bool IsOf(NameRegistration other) => other.Directory == directory && other.Name == name;

    /// <summary>Writes the entry into the file that its holder has locked, unless it is there.</summary>
    public void Enter(NameFile file, in Serialization.SharedReference reference)
    {
        if (file.Has(Token))
            return;
        All[Token] = this;
        file.Add(in reference, Token);
    }

    /// <summary>Removes it, and the file if it was the last. If somebody keeps the file locked, the next one that opens the name does so.</summary>
    public void Leave() => Leave(Patience);

    public void Forget() => All.TryRemove(Token, out _);

    private NameDirectory Directory => directory;

    private string Name => name;

    private void Leave(TimeSpan patience)
    {
        Forget();
        try
        {
            using NameFile? file = directory.Lock(name, create: false, patience);
            file?.Clear(Token);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Nobody can do anything about it; an entry without its object is none.
        }
    }
}
