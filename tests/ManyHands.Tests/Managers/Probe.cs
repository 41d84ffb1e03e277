using ManyHands.Managers;

namespace ManyHands.Tests.Managers;

/// <summary>Asks an object of a manager for anything.</summary>
internal sealed class Probe(ManagerLink link, string name, ObjectKind kind, string typeName = "") : RemoteObject(link, name, kind, typeName)
{
    public ReadOnlyMemory<byte> Ask(Operation operation, params byte[] body) => base.Ask(operation, body);

    public Task<ReadOnlyMemory<byte>> AskAsync(Operation operation, TimeSpan wait, params byte[] body) => base.AskAsync(operation, body, wait);
}
