from multiprocessing import Lock, Pool, Process, Queue, Value
from multiprocessing.shared_memory import SharedMemory


def square(number):
    return number * number


def count(lock, counter):
    with lock:
        counter.value += 1


def put(queue):
    queue.put(7)


def write(name):
    memory = SharedMemory(name)
    memory.buf[:5] = b"hello"
    memory.close()


if __name__ == "__main__":
    with Pool(2) as pool:
        print("pool", pool.map(square, range(5)))

    lock, counter = Lock(), Value("i", 0, lock=False)
    counters = [Process(target=count, args=(lock, counter)) for _ in range(2)]
    for process in counters:
        process.start()
    for process in counters:
        process.join()
    print("lock", counter.value)

    queue = Queue()
    process = Process(target=put, args=(queue,))
    process.start()
    print("queue", queue.get())
    process.join()

    memory = SharedMemory(create=True, size=64)
    process = Process(target=write, args=(memory.name,))
    process.start()
    process.join()
    print("memory", bytes(memory.buf[:5]))
    memory.close()
    memory.unlink()
