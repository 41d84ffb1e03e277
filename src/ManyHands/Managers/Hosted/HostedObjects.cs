using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>What a manager has, by name.</summary>
internal sealed partial class HostedObjects(StoredBytes bytes, StorageWriter? storage, ManagerFaults faults)
{
    public const int LongestName = 200;

    private readonly ConcurrentDictionary<string, HostedObject> byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, StoredObject> stored = storage?.Load().ToDictionary(one => one.Name, StringComparer.Ordinal) ?? [];
    private volatile bool isStopped;

    public StoredBytes Bytes => bytes;

    /// <summary>Where what nobody foresaw is told.</summary>
    public ManagerFaults Faults => faults;

    /// <summary>Ends when changes may be asked for. Whoever asks waits for that first, without holding anything.</summary>
    public Task RoomAsync() => storage?.RoomAsync() ?? Task.CompletedTask;

    public IEnumerable<HostedObject> All => byName.Values;

    /// <summary>Registers an object, with what was kept of it.</summary>
    /// <param name="make">From what was kept, or null.</param>
    /// <exception cref="ArgumentException">The name is taken or can't be one, or what was kept under it is something else.</exception>
    /// <exception cref="IOException">The storage can't keep it.</exception>
    public T Add<T>(string name, ObjectKind kind, string typeName, Func<StoredObject?, HostedStorage, T> make)
        where T : HostedObject
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length > LongestName || !Identifier().IsMatch(name))
            throw new ArgumentException($"'{name}' can't be the name of a manager's object: it begins with a letter or '_', and goes on with letters, digits and '_', at most {LongestName} in all, as everyone who is to use it can write it.", nameof(name));
        lock (stored)
            return AddNamed(name, kind, typeName, make);
    }

    // Before it is made, as making it takes what it holds from the storage and the quota.
    private T AddNamed<T>(string name, ObjectKind kind, string typeName, Func<StoredObject?, HostedStorage, T> make)
        where T : HostedObject
    {
        if (byName.TryGetValue(name, out HostedObject? there))
            throw new ArgumentException($"The manager has a {there.Kind} named '{name}' already. Take another name.", nameof(name));
        StoredObject? known = null;
        HostedStorage own = default;
        if (kind is ObjectKind.Queue or ObjectKind.Dictionary && storage is not null)
        {
            stored.Remove(name, out known);
            if (known is not null && (known.Kind != kind || known.TypeName != typeName))
            {
                stored[name] = known;
                throw new ArgumentException($"The storage has '{name}' as a {known.Kind} of {known.TypeName}, and it is registered as a {kind} of {typeName}. Register it as what it was, or under another name.{TypeLayout.Explain(known.TypeName, typeName)}", nameof(name));
            }

            own = new(storage, name);
            if (known is null)
                Declare(storage, name, kind, typeName);
        }

        T made = make(known, own);
        made.Faults = faults;
        made.Storage = own.IsThere ? storage : null;
        byName[name] = made;
        return made;
    }

    // Else what it is to hold would be kept nowhere.
    private static void Declare(StorageWriter storage, string name, ObjectKind kind, string typeName)
    {
        TaskCompletionSource kept = new(TaskCreationOptions.RunContinuationsAsynchronously);
        storage.Keep(
            [new StorageChange(StorageChangeKind.Declared, name, (long)kind, typeName)],
            failure =>
            {
                if (failure is null)
                    kept.SetResult();
                else
                    kept.SetException(new IOException($"The {kind} '{name}' was not registered, as the storage couldn't keep it: {ExceptionText.MessageOf(failure)}", failure));
            },
            kept.SetException);
        kept.Task.GetAwaiter().GetResult();
    }

    /// <summary>The object of that name, if it is what the asker thinks.</summary>
    public HostedObject? Find(string name, ObjectKind kind, string typeName, out FailureKind failure, out string message)
    {
        (failure, message) = (default, "");
        if (isStopped)
        {
            (failure, message) = (FailureKind.Gone, "The manager has stopped.");
            return null;
        }

        if (!byName.TryGetValue(name, out HostedObject? found))
        {
            string[] names = [.. byName.Values.Where(one => one.Kind == kind).Select(one => one.Name).Order(StringComparer.Ordinal).Take(20)];
            (failure, message) = (FailureKind.NotFound, $"The manager has no {kind} named '{name}'. {(names.Length == 0 ? $"It has no {kind} at all." : $"It has: {string.Join(", ", names)}.")}");
            return null;
        }

        if (found.Kind != kind)
        {
            (failure, message) = (FailureKind.OtherType, $"'{name}' is a {found.Kind}, and was asked for as a {kind}.");
            return null;
        }

        if (found.TypeName != typeName)
        {
            (failure, message) = (FailureKind.OtherType, $"The {kind} '{name}' holds {found.TypeName}, and was asked for as one of {typeName}.{TypeLayout.Explain(found.TypeName, typeName)}");
            return null;
        }

        return found;
    }

    /// <summary>The object of that name, whatever it is.</summary>
    public HostedObject? Find(string name) => byName.GetValueOrDefault(name);

    public void Stop()
    {
        isStopped = true;
        using FlushScope scope = FlushScope.Enter();
        foreach (HostedObject one in byName.Values)
            faults.Run(GuardedEntry.ManagerObject, one, static one => one.Stop(), static one => $"{one}, whose users may wait until their connections end");
    }

    // What C# and Python both take for an identifier.
    [GeneratedRegex(@"^[A-Za-z_][A-Za-z0-9_]*\z")]
    private static partial Regex Identifier();
}
