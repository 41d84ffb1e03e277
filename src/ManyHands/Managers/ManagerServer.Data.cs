using ManyHands.Managers;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands;

public sealed partial class ManagerServer
{
    /// <summary>Makes a dictionary for clients to find under that name. With a storage, it begins with what was kept of it.</summary>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <typeparam name="TKey">
    /// What its keys are: what may be an argument. Keys are equal if they travel as the same bytes. With <see cref="object"/>, what can be a key in Python, and equal as there: 1, 1.0 and <see langword="true"/> are one key.
    /// </typeparam>
    /// <typeparam name="TValue">What its values are: what may be an argument. With <see cref="object"/>, plain data of any kind, as Python has it.</typeparam>
    /// <returns>The dictionary, for this process.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken, or the storage has something else under it.</exception>
    public ISharedDictionary<TKey, TValue> RegisterDictionary<TKey, TValue>(string name)
    {
        string typeName = RemoteDictionary<TKey, TValue>.ContentName;
        HostedDictionary dictionary = objects.Add(name, ObjectKind.Dictionary, typeName, (stored, storage) =>
            new HostedDictionary(name, typeName, typeof(TKey) == typeof(object), bytes, storage, stored) { KeyItems = PythonItems<TKey>.Instance, Items = PythonItems<TValue>.Instance });
        return new RemoteDictionary<TKey, TValue>(local, name) { Hosted = dictionary };
    }

    /// <summary>Makes a list for clients to find under that name. It is not kept by a storage.</summary>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <typeparam name="T">What its items are: what may be an argument. With <see cref="object"/>, plain data of any kind, as Python has it.</typeparam>
    /// <returns>The list, for this process.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken.</exception>
    public ISharedList<T> RegisterList<T>(string name)
    {
        HostedList list = objects.Add(name, ObjectKind.List, ItemFormat<T>.TypeName, (_, _) => new HostedList(name, ItemFormat<T>.TypeName, bytes) { Items = PythonItems<T>.Instance });
        return new RemoteList<T>(local, name) { Hosted = list };
    }

    /// <summary>Makes a value for clients to find under that name. It is not kept by a storage.</summary>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <param name="initial">What it is at first.</param>
    /// <typeparam name="T">What it is: what may be an argument. With <see cref="object"/>, plain data of any kind, as Python has it.</typeparam>
    /// <returns>The value, for this process.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken.</exception>
    /// <exception cref="UnsendableCallException">The value can't travel.</exception>
    public ISharedValue<T> RegisterValue<T>(string name, T initial)
    {
        byte[] block;
        using (PayloadWriter writer = new())
        {
            try
            {
                ItemFormat<T>.Instance.Write(writer, initial);
            }
            catch (Exception failure) when (failure is UnsendableValueException or PayloadTooLargeException)
            {
                throw new UnsendableCallException($"The value '{name}' can't travel: {ExceptionText.MessageOf(failure)}", failure);
            }

            block = writer.WrittenSpan.ToArray();
        }

        HostedValue value = objects.Add(name, ObjectKind.Value, ItemFormat<T>.TypeName, (_, _) => new HostedValue(name, ItemFormat<T>.TypeName, block, bytes) { Items = PythonItems<T>.Instance });
        return new RemoteValue<T>(local, name) { Hosted = value };
    }
}
