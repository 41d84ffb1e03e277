using ManyHands.Platform;
namespace ManyHands.Managers;

/// <summary>One object's way to the manager's storage. Where there is none, everything counts as kept.</summary>
internal readonly struct HostedStorage(StorageWriter? writer, string name)
{
    public bool IsThere => writer is not null;

    /// <summary>Whether nothing can be kept now, so that what changes something is refused before anything is done.</summary>
    public bool Refuses(HostedRequest request)
    {
        if (writer?.Failure is not { } failure)
            return false;
        request.Refuse(FailureKind.NotStored, $"'{name}' was not changed, as the storage can't keep what has happened before; as soon as it can, changes are taken again. {ExceptionText.MessageOf(failure)}");
        return true;
    }

    /// <summary>Keeps changes, all of them or none. Whoever asks makes them when they are kept, and not if they can't be.</summary>
    /// <param name="request">Whose they are; it fails if <paramref name="done"/> throws.</param>
    /// <param name="changes">What to keep.</param>
    /// <param name="done">Called once, later or at once, by any thread, with the reason if nothing was kept.</param>
    public void Keep(HostedRequest request, ReadOnlySpan<StorageChange> changes, Action<Exception?> done)
    {
        if (writer is null)
            done(null);
        else
            writer.Keep(changes, done, request.Fail);
    }

    /// <inheritdoc cref="Keep(HostedRequest, ReadOnlySpan{StorageChange}, Action{Exception})"/>
    public void Keep(HostedRequest request, in StorageChange change, Action<Exception?> done) => Keep(request, new ReadOnlySpan<StorageChange>(in change), done);

    /// <summary>Keeps what has happened already and can't be taken back.</summary>
    public void Record(StorageChangeKind kind, long number) => writer?.Record(new StorageChange(kind, name, number));

    /// <summary>Tells whoever asked that nothing was changed.</summary>
    public void RefuseUnkept(HostedRequest request, Exception failure, string? addition = null) =>
        request.Refuse(FailureKind.NotStored, $"'{name}' was not changed, as the storage couldn't keep the change: {ExceptionText.MessageOf(failure)}{addition}");

    public StorageChange Change(StorageChangeKind kind, long number = 0, byte[]? key = null, byte[]? value = null) => new(kind, name, number, null, key, value);
}
