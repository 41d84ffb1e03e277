namespace ManyHands.Managers;

/// <summary>One object's way to the manager's storage; does nothing where there is none.</summary>
internal readonly struct HostedStorage(ManagerStorage? storage, string name)
{
    public bool IsThere => storage is not null;

    /// <summary>Keeps a change that nobody waits for.</summary>
    public void Write(StorageChangeKind kind, long number = 0, byte[]? key = null, byte[]? value = null, string? text = null) =>
        storage?.Write(new StorageChange(kind, name, number, text, key, value), committed: null);

    public void Write(in StorageChange change) => storage?.Write(change, committed: null);

    /// <summary>Keeps a change, then answers.</summary>
    public void WriteThen(in StorageChange change, HostedRequest request, Action answer)
    {
        if (storage is null)
        {
            answer();
            return;
        }

        storage.Write(change, failure =>
        {
            using FlushScope scope = FlushScope.Enter();
            if (failure is null)
                answer();
            else
                request.Refuse(FailureKind.NotStored, $"The change holds, but only until the manager ends: {failure.Message}");
        });
    }

    public StorageChange Change(StorageChangeKind kind, long number = 0, byte[]? key = null, byte[]? value = null) => new(kind, name, number, null, key, value);
}
